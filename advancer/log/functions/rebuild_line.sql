-- Writes one line of the projection, which may be missing or wrong in any way, unless the log has
-- moved on from the seq at which it was derived. It takes the line and the lock in the same order
-- as put_lines.sql, which says why, but waits for them.
create or replace function leasehold_projection.rebuild_line(
  of_instance text, derived_status text, derived_next_cell_id text, at_seq bigint
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  perform from leasehold_projection.instances p where p.instance_id = of_instance for update;
  perform pg_advisory_xact_lock(19528, hashtext(of_instance));
  with newest as (
    select coalesce(max(e.seq), 0) as seq, max(e.recorded_at) as moved_at
      from leasehold.executions e where e.instance_id = of_instance)
  insert into leasehold_projection.instances
      (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
    select i.instance_id, i.runbook_id, i.version, derived_status, derived_next_cell_id, at_seq,
           coalesce(newest.moved_at, i.recorded_at)
      from leasehold.instances i, newest where i.instance_id = of_instance and newest.seq = at_seq
    on conflict (instance_id) do update
      set runbook_id = excluded.runbook_id, version = excluded.version, status = excluded.status,
          next_cell_id = excluded.next_cell_id, last_seq = excluded.last_seq,
          updated_at = excluded.updated_at;
end
$$;
