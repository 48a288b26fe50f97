-- Gives an unattended instance its line, in the statement that starts it: it is due at once. It
-- runs with the owner's rights, so that a client that may insert an instance need not know of the
-- line.
create or replace function leasehold_projection.list_unattended() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into leasehold_projection.unattended (instance_id, last_seq, due_at)
    values (new.instance_id, 0, clock_timestamp())
    on conflict (instance_id) do nothing;
  return null;
end
$$;
