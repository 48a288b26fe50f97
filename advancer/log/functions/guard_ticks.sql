-- The guard of the ticks. It checks every client; guard_executions.sql explains what all guards
-- have in common, and guard_schedules.sql the locks. src/schedule/tick-rule.ts states the same
-- rule, and a property test compares the two.
--
--   23503  there is no such schedule, or no instance that the tick started
--   LH006  the revision is not the newest, or another tick came first: read the schedule again
--   LH003  order: the schedule is paused or deleted, or the tick is not later than the newest one
--          and the beginning of the revision, or is in the future, or cannot stand for others
--
-- A tick and the instance that it starts are inserted in one statement: this trigger looks for the
-- instance, and that of the instance (guard_tick_origins.sql) for the tick.
create or replace function leasehold.guard_ticks() returns trigger
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
  perform pg_advisory_xact_lock(19530, l.key)
    from (select distinct hashtext(f.schedule_id) as key from fresh f order by 1) l;

  select c.code, f.*, n.revision as newest_revision
    into breach
    from fresh f
    left join lateral (
      select s.revision, s.paused or s.deleted as idle, s.since from leasehold.schedules s
        where s.schedule_id = f.schedule_id order by s.revision desc limit 1) n on true
    -- The tick before this one, and the newest that was there before this statement.
    left join lateral (
      select t.tick from leasehold.ticks t
        where t.schedule_id = f.schedule_id and t.tick < f.tick
        order by t.tick desc limit 1) b on true
    cross join lateral (select greatest(b.tick, n.since) as basis) r
    cross join lateral (select case
      when n.revision is null then '23503'
      when f.revision <> n.revision then 'LH006'
      when n.idle then 'LH003'
      when f.tick <= r.basis or f.tick > clock_timestamp() or exists (
        select from leasehold.ticks t where t.schedule_id = f.schedule_id and t.tick > f.tick
          and not exists (select from fresh g
            where g.schedule_id = t.schedule_id and g.tick = t.tick)) then 'LH003'
      when f.after <> r.basis then 'LH006'
      when f.from_tick is not null
        and (f.outcome = 'skipped' and f.from_tick > r.basis and f.from_tick <= f.tick) is not true
        then 'LH003'
      when f.outcome = 'started' and not exists (select from leasehold.instances i
        where i.instance_id = f.instance_id and i.schedule_id = f.schedule_id and i.tick = f.tick)
        then '23503'
      end as code offset 0) c
    where c.code is not null
    order by f.schedule_id, f.tick
    limit 1;
  if found then
    raise exception using errcode = breach.code, message = case
      when breach.newest_revision is null then format('there is no schedule %s', breach.schedule_id)
      when breach.code = '23503' then format(
        'tick %s of schedule %s says that it started instance %s, which does not have it as its origin',
        leasehold.iso8601(breach.tick), breach.schedule_id, breach.instance_id)
      when breach.code = 'LH006' then format(
        'tick %s of schedule %s rests on revision %s and the tick before it, and is not the first to come after them',
        leasehold.iso8601(breach.tick), breach.schedule_id, breach.revision)
      else format('order: tick %s cannot be the next one of schedule %s at revision %s',
        leasehold.iso8601(breach.tick), breach.schedule_id, breach.revision)
      end;
  end if;
  return null;
end
$$;
