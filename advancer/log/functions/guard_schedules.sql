-- The guard of the schedules. It checks every client; guard_executions.sql explains what all guards
-- have in common.
--
--   LH001  gap: there is no revision before this one
--   LH003  order: the revision begins in the future, or before the one before it
--   LH006  a tick is newer than the beginning of the revision: read the schedule again
--
-- A revision begins after every tick of the revisions before it, so each tick belongs to one
-- revision. It and the ticks take the schedule's lock exclusively, once they are inserted, and see
-- what they waited for: a tick is either there when a revision is judged, or judged under it.
create or replace function leasehold.guard_schedules() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  breach record;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform leasehold.require_read_committed();
  end if;
  -- 19530 is two above the number of the instances' locks (guard_executions.sql), and one above
  -- that of the claims' (note_claims.sql).
  perform pg_advisory_xact_lock(19530, l.key)
    from (select distinct hashtext(f.schedule_id) as key from fresh f order by 1) l;

  select f.schedule_id, f.revision, c.code
    into breach
    from fresh f
    left join leasehold.schedules b
      on b.schedule_id = f.schedule_id and b.revision = f.revision - 1
    cross join lateral (select case
      when f.revision > 1 and b.revision is null then 'LH001'
      when f.since < b.since or f.since > greatest(clock_timestamp(), b.since, (
        select max(t.tick) from leasehold.ticks t where t.schedule_id = f.schedule_id)) then 'LH003'
      when exists (select from leasehold.ticks t
        where t.schedule_id = f.schedule_id and t.tick > f.since) then 'LH006'
      end as code offset 0) c
    where c.code is not null
    order by f.schedule_id, f.revision
    limit 1;
  if found then
    raise exception using errcode = breach.code, message = case breach.code
      when 'LH001' then format('gap: there is no revision %s of schedule %s',
        breach.revision - 1, breach.schedule_id)
      when 'LH003' then format('order: revision %s of schedule %s begins in the future, or before '
        'the revision before it', breach.revision, breach.schedule_id)
      else format('schedule %s has a tick that is later than the beginning of its revision %s',
        breach.schedule_id, breach.revision)
      end;
  end if;

  -- A schedule that changed is looked at, whichever client changed it.
  insert into leasehold_projection.schedules (schedule_id, revision, next_at)
    select distinct on (f.schedule_id) f.schedule_id, f.revision,
           case when not f.paused and not f.deleted then '-infinity'::timestamptz end
      from fresh f order by f.schedule_id, f.revision desc
    on conflict (schedule_id) do update
      set revision = excluded.revision, next_at = excluded.next_at;
  return null;
end
$$;
