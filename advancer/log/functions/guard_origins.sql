-- The guard of the origins: which instances may say that a run cell started them. It checks every
-- client, as the guard of the rows does (guard_executions.sql, which explains codes and locks).
--
--   LH006  the origin does not rest on the newest row of the parent: its log has moved on
--   LH002, LH003, LH007  the run cell's own row could not be written there either
--   23503  there is no such parent
--   23514  a column holds a value it may not; the error names it
--
-- A child is admitted where its cell's row could stand: after the newest row of the parent, under
-- no older token. So a holder that was replaced starts nothing, and nothing starts once the parent
-- is cancelled or unwinding. The parent's lock is held exclusively from here to the end of the
-- transaction: a row that is being appended is waited for and then seen, and one that comes later
-- waits until the children are there.
create or replace function leasehold.guard_origins() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  newest record;
  wrong text;
  code text;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform leasehold.require_read_committed();
  end if;
  wrong := case
    when leasehold.is_id(new.parent_instance_id) is not true then 'parent_instance_id'
    when leasehold.is_id(new.parent_cell_id) is not true then 'parent_cell_id'
    when new.parent_n < 0 then 'parent_n'
    when (new.parent_attempt >= 1) is not true then 'parent_attempt'
    when (new.parent_seq between 0 and 9007199254740990) is not true then 'parent_seq'
    when (new.parent_token between 1 and 9007199254740991) is not true then 'parent_token'
    end;
  if wrong is not null then
    perform leasehold.refuse_malformed('leasehold.instances', wrong);
  end if;
  perform pg_advisory_xact_lock(19528, hashtext(new.parent_instance_id));

  perform from leasehold.instances p where p.instance_id = new.parent_instance_id;
  if not found then
    raise exception 'there is no instance % that could have started %',
      new.parent_instance_id, new.instance_id using errcode = '23503';
  end if;
  -- The rule reads the bodies of these kinds only, and others may be large.
  select e.seq, e.fencing_token, e.kind, e.cell_id, e.attempt,
         case when e.kind in ('interrupted', 'failed', 'decided') then e.body else '{}' end as body
    into newest
    from leasehold.executions e
    where e.instance_id = new.parent_instance_id order by e.seq desc limit 1;
  if coalesce(newest.seq, 0) <> new.parent_seq then
    raise exception 'the children of cell % rest on seq %, but instance % is at seq %',
      new.parent_cell_id, new.parent_seq, new.parent_instance_id, coalesce(newest.seq, 0)
      using errcode = 'LH006';
  end if;
  code := leasehold.chain_breach(
    new.parent_seq + 1, new.parent_token, 'satisfied', new.parent_cell_id, new.parent_attempt, '{}',
    newest.fencing_token, newest.kind, newest.cell_id, newest.attempt, newest.body);
  if code = 'LH002' then
    raise exception 'stale token: % is below %, the token at seq % of instance %',
      new.parent_token, newest.fencing_token, newest.seq, new.parent_instance_id
      using errcode = code;
  elsif code is not null then
    raise exception 'order: cell % (attempt %) of instance % cannot start children after '
                    '% (cell %, attempt %) at seq %',
      new.parent_cell_id, new.parent_attempt, new.parent_instance_id, newest.kind, newest.cell_id,
      newest.attempt, newest.seq
      using errcode = code;
  end if;
  return null;
end
$$;
