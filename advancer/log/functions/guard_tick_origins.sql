-- The guard of the instances that say that a tick started them. It checks every client.
--
--   23503  there is no such tick, or it started another instance: a tick and its instance are
--          inserted in one statement
--   23514  a column holds a value it may not; the error names it
create or replace function leasehold.guard_tick_origins() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  wrong text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform leasehold.require_read_committed();
  end if;
  wrong := case
    when leasehold.is_id(new.schedule_id) is not true then 'schedule_id'
    when new.tick is null then 'tick'
    when new.parent_instance_id is not null then 'parent_instance_id'
    end;
  if wrong is not null then
    perform leasehold.refuse_malformed('leasehold.instances', wrong);
  end if;
  perform from leasehold.ticks t
    join leasehold.schedules s on s.schedule_id = t.schedule_id and s.revision = t.revision
    where t.schedule_id = new.schedule_id and t.tick = new.tick
      and t.instance_id = new.instance_id and s.runbook_id = new.runbook_id
      and coalesce(s.version, new.version) = new.version and s.agent_id = new.agent_id
      and s.unattended = new.unattended;
  if not found then
    raise exception 'no tick of schedule % at % started instance % of runbook % version %',
      new.schedule_id, leasehold.iso8601(new.tick), new.instance_id, new.runbook_id, new.version
      using errcode = '23503';
  end if;
  return null;
end
$$;
