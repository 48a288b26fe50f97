-- Writes the projection's lines of instances at rest, each as derived at a seq.
--
-- An intent that commits meanwhile either is seen here or sees this: this function holds the
-- instance's lock exclusively, and reads the log only then. An append takes its line first and the
-- lock next, so that is the order here as well.
--
-- An instance that is being appended to is skipped: the append writes its line, and nothing waits
-- here.
create or replace function leasehold_projection.put_lines(
  instance_ids text[], statuses text[], next_cell_ids text[], last_seqs bigint[]
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  mine text[];
begin
  select array_agg(l.instance_id) into mine
    from (select p.instance_id from leasehold_projection.instances p
            where p.instance_id = any(instance_ids) order by p.instance_id
            for update skip locked) l
    where pg_try_advisory_xact_lock(19528, hashtext(l.instance_id));
  update leasehold_projection.instances p
    set status = u.status, next_cell_id = u.next_cell_id, last_seq = u.last_seq,
        updated_at = clock_timestamp()
    from unnest(instance_ids, statuses, next_cell_ids, last_seqs)
      as u (instance_id, status, next_cell_id, last_seq)
    where u.instance_id = any(mine) and p.instance_id = u.instance_id and u.last_seq >= p.last_seq
      and (u.last_seq, u.status) is distinct from (p.last_seq, p.status)
      and not exists (
        select from leasehold.executions e
          where e.instance_id = u.instance_id and e.seq > u.last_seq);
end
$$;
