-- The guard of the receipts: a receipt is fenced like a row. It rests on the newest row, under no
-- older token. guard_executions.sql explains the codes, the locks, and why it is written so.
--
-- A receipt that needed no lease has token 0. It refuses a request on an empty log, names no
-- holder, and may say that there is no such instance only while there is none.
create or replace function leasehold.guard_requests() returns trigger
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
  -- Plainly right: the receipt rests on the newest row, which this transaction inserted, and has
  -- that row's token. Nobody else can have appended after it. One read decides this.
  if not exists (
    select from fresh f
      left join lateral (
        select e.seq, e.fencing_token, e.xmin from leasehold.executions e
          where e.instance_id = f.instance_id order by e.seq desc limit 1) n on true
      where (n.seq = f.last_seq and n.xmin = pg_current_xact_id()::xid
        and n.fencing_token = f.fencing_token
        and greatest(length(f.instance_id), length(f.request_id)) <= 128
        and f.instance_id || ' ' || f.request_id ~ '^[A-Za-z0-9_-]+ [A-Za-z0-9_-]+$'
        and jsonb_typeof(f.receipt) = 'object') is not true
  ) then
    return null;
  end if;
  perform leasehold.refuse_malformed('leasehold.requests', m.wrong)
    from fresh f
    cross join lateral (select case
      when f.last_seq not between 0 and 9007199254740991 then 'last_seq'
      -- 0: a receipt that needed no lease.
      when f.fencing_token not between 0 and 9007199254740991 then 'fencing_token'
      when f.fencing_token = 0 and (
        f.last_seq = 0 and f.receipt -> 'holder' = 'null'
        and f.receipt ->> 'outcome' in ('not_found', 'expired', 'invalid')) is not true
        then 'fencing_token'
      else coalesce(
        leasehold.malformed(f.instance_id, greatest(f.fencing_token, 1), 'started', 'none', 1,
                            f.request_id, '{}'),
        case when jsonb_typeof(f.receipt) <> 'object' then 'receipt' end,
        case when f.with_rows and not exists (
          select from leasehold.executions e
            where e.instance_id = f.instance_id and e.seq = f.last_seq
              and e.xmin = pg_current_xact_id()::xid and e.fencing_token = f.fencing_token
        ) then 'with_rows' end) end as wrong offset 0) m
    where m.wrong is not null;
  -- Receipts without a row of this transaction.
  perform pg_advisory_xact_lock(19528, l.key)
    from (select hashtext(f.instance_id) as key
            from fresh f
            where (select e.xmin = pg_current_xact_id()::xid
                     from leasehold.executions e
                     where e.instance_id = f.instance_id and e.seq = f.last_seq) is not true
            order by 1) l;

  select f.request_id, f.instance_id, f.last_seq, f.fencing_token, n.seq as newest_seq,
         n.fencing_token as newest_token
    into breach
    from fresh f
    left join lateral (
      select e.seq, e.fencing_token from leasehold.executions e
        where e.instance_id = f.instance_id order by e.seq desc limit 1) n on true
    where coalesce(n.seq, 0) <> f.last_seq or n.fencing_token > f.fencing_token
    order by f.instance_id
    limit 1;
  if found then
    if breach.last_seq <> coalesce(breach.newest_seq, 0) then
      raise exception 'the receipt of request % rests on seq %, but instance % is at seq %',
        breach.request_id, breach.last_seq, breach.instance_id, coalesce(breach.newest_seq, 0)
        using errcode = 'LH006';
    end if;
    raise exception 'stale token: % is below %, the token at seq % of instance %',
      breach.fencing_token, breach.newest_token, breach.newest_seq, breach.instance_id
      using errcode = 'LH002';
  end if;

  select f.request_id, f.instance_id
    into breach
    from fresh f
    where f.fencing_token = 0 and f.receipt ->> 'outcome' = 'not_found' and exists (
      select from leasehold.instances i where i.instance_id = f.instance_id)
    order by f.instance_id
    limit 1;
  if found then
    raise exception 'the receipt of request % says that there is no instance %, but there is one',
      breach.request_id, breach.instance_id using errcode = 'LH006';
  end if;
  return null;
end
$$;
