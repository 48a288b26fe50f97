-- What an append need not do, continued.

-- A receipt that comes with rows has the token of the last of them, so that the highest token is found without it.
-- Whoever does not say so gets a receipt that is looked for.
alter table leasehold.requests add column with_rows boolean not null default false;
drop index leasehold.requests_by_token;
create index requests_by_token on leasehold.requests (fencing_token) where not with_rows;

-- A receipt is as fenced as a row: it rests on the newest row, under no older token. As in 0003, but for `with_rows`, and
-- that who is plainly right is found so by one look at the newest row.
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
  -- Plainly right: it rests on the newest row, which is of this transaction, under that one's token. Nobody else can have
  -- followed it.
  if not exists (
    select from fresh f
      left join lateral (
        select e.seq, e.fencing_token, e.xmin from leasehold.executions e
          where e.instance_id = f.instance_id order by e.seq desc limit 1) n on true
      where (n.seq = f.last_seq and n.xmin = pg_current_xact_id()::xid and n.fencing_token = f.fencing_token
        and greatest(length(f.instance_id), length(f.request_id)) <= 128
        and f.instance_id || ' ' || f.request_id ~ '^[A-Za-z0-9_-]+ [A-Za-z0-9_-]+$'
        and jsonb_typeof(f.receipt) = 'object') is not true
  ) then
    return null;
  end if;
  perform leasehold.refuse_malformed('leasehold.requests', m.wrong)
    from fresh f
    cross join lateral (select case when f.last_seq < 0 then 'last_seq' else coalesce(
      leasehold.malformed(f.instance_id, f.fencing_token + 1, 'started', 'none', 1, f.request_id, '{}'),
      case when jsonb_typeof(f.receipt) <> 'object' then 'receipt' end,
      case when f.with_rows and not exists (
        select from leasehold.executions e
          where e.instance_id = f.instance_id and e.seq = f.last_seq
            and e.xmin = pg_current_xact_id()::xid and e.fencing_token = f.fencing_token) then 'with_rows' end)
      end as wrong offset 0) m
    where m.wrong is not null;
  -- Receipts without a row of this transaction.
  perform pg_advisory_xact_lock(19528, l.key)
    from (select hashtext(f.instance_id) as key
            from fresh f
            where (select e.xmin = pg_current_xact_id()::xid
                     from leasehold.executions e
                     where e.instance_id = f.instance_id and e.seq = f.last_seq) is not true
            order by 1) l;

  select f.request_id, f.instance_id, f.last_seq, f.fencing_token, n.seq as newest_seq, n.fencing_token as newest_token
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
  return null;
end
$$;

-- As in 0003, but that the line of an intent is looked after. So whoever appends one whose line says `running` already need not
-- write it again, and need not be sure of it either: a later term may have found the instance at rest meanwhile.
create or replace function leasehold.guard_executions() returns trigger
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
  -- 19528 is "LH"; it keeps these locks apart from other users of advisory locks in the database.
  perform pg_advisory_xact_lock_shared(19528, l.key)
    from (select hashtext(f.instance_id) as key from fresh f order by 1) l;

  -- Plainly right: a first intent, an outcome after its intent, or the next cell's intent after an outcome, under no older
  -- token, with sound columns, for a request without a receipt; and the line of an intent says `running`.
  if not exists (
    select from fresh f
      left join leasehold.executions b on b.instance_id = f.instance_id and b.seq = f.seq - 1
      where (case
          when f.seq = 1 then f.kind = 'started' and f.attempt = 1
          when b.kind = 'started' then f.kind in ('completed', 'failed') and f.cell_id = b.cell_id
            and f.attempt = b.attempt and f.fencing_token = b.fencing_token
          when b.kind = 'completed' then f.kind = 'started' and f.cell_id <> b.cell_id
            and f.attempt = 1 and f.fencing_token >= b.fencing_token
        end
        and (f.kind <> 'started' or 'running' = (
          select p.status from leasehold_projection.instances p where p.instance_id = f.instance_id))
        and f.fencing_token > 0
        and greatest(length(f.instance_id), length(f.cell_id), length(f.request_id)) <= 128
        and f.instance_id || ' ' || f.cell_id || ' ' || f.request_id
          ~ '^[A-Za-z0-9_-]+ [A-Za-z0-9_-]+ [A-Za-z0-9_-]+$'
        and jsonb_typeof(f.body) = 'object') is not true
        or exists (select from leasehold.requests r
          where r.request_id = f.request_id and (r.instance_id <> f.instance_id or r.last_seq < f.seq))
  ) then
    return null;
  end if;

  perform leasehold.refuse_malformed('leasehold.executions', m.wrong)
    from fresh f
    cross join lateral (select leasehold.malformed(
      f.instance_id, f.fencing_token, f.kind, f.cell_id, f.attempt, f.request_id, f.body) as wrong offset 0) m
    where m.wrong is not null;

  select c.code, f.*, b.seq as before_seq, b.fencing_token as before_token, b.kind as before_kind,
         b.cell_id as before_cell_id, b.attempt as before_attempt
    into breach
    from fresh f
    left join leasehold.executions b on b.instance_id = f.instance_id and b.seq = f.seq - 1
    cross join lateral (select coalesce(
      leasehold.chain_breach(f.seq, f.fencing_token, f.kind, f.cell_id, f.attempt, f.body,
                             b.fencing_token, b.kind, b.cell_id, b.attempt, b.body),
      -- A receipt is the last word on its request, and has every row of it: nothing more is written under its id.
      -- Whoever has an attempt to close all the same closes it under no request. A receipt that came with this row,
      -- in one statement, rests on it.
      (select 'LH005' from leasehold.requests r
         where r.request_id = f.request_id and (r.instance_id <> f.instance_id or r.last_seq < f.seq))) as code
      offset 0) c
    where c.code is not null
    order by f.instance_id, f.seq
    limit 1;
  if found then
    raise exception using errcode = breach.code, message = case breach.code
      when 'LH001' then format('gap: there is no row at seq %s of instance %s', breach.seq - 1, breach.instance_id)
      when 'LH002' then format('stale token: %s is below %s, the token at seq %s of instance %s',
        breach.fencing_token, breach.before_token, breach.before_seq, breach.instance_id)
      when 'LH005' then format('request %s has its receipt: %s (cell %s) may not be written under it',
        breach.request_id, breach.kind, breach.cell_id)
      else case when breach.seq = 1
        then format('order: %s (cell %s, attempt %s) cannot be the first row of instance %s',
          breach.kind, breach.cell_id, breach.attempt, breach.instance_id)
        else format('order: %s (cell %s, attempt %s, token %s) may not follow %s (cell %s, attempt %s, token %s) '
                    'at seq %s of instance %s',
          breach.kind, breach.cell_id, breach.attempt, breach.fencing_token, breach.before_kind,
          breach.before_cell_id, breach.before_attempt, breach.before_token, breach.before_seq, breach.instance_id)
        end
      end;
  end if;

  -- No intent stands whose line does not say so: a sweep would not find it.
  update leasehold_projection.instances p
    set status = 'running', next_cell_id = f.cell_id, last_seq = f.seq, updated_at = clock_timestamp()
    from fresh f
    where f.kind = 'started' and p.instance_id = f.instance_id and p.status <> 'running'
      and not exists (select from fresh g where g.instance_id = f.instance_id and g.seq > f.seq);
  return null;
end
$$;

-- Lines of instances at rest, as they were derived at a seq. No intent can come in between that is not seen here, or does
-- not see them: whoever writes one holds the instance's lock exclusively, and looks at the log only then. An append has its
-- line first and its lock then, so that is the order here as well.

-- Whoever is appending to an instance will see to its line: it is left out, so that nothing waits here.
create function leasehold_projection.put_lines(
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
            where p.instance_id = any(instance_ids) order by p.instance_id for update skip locked) l
    where pg_try_advisory_xact_lock(19528, hashtext(l.instance_id));
  update leasehold_projection.instances p
    set status = u.status, next_cell_id = u.next_cell_id, last_seq = u.last_seq, updated_at = clock_timestamp()
    from unnest(instance_ids, statuses, next_cell_ids, last_seqs) as u (instance_id, status, next_cell_id, last_seq)
    where u.instance_id = any(mine) and p.instance_id = u.instance_id and u.last_seq >= p.last_seq
      and (u.last_seq, u.status) is distinct from (p.last_seq, p.status)
      and not exists (
        select from leasehold.executions e where e.instance_id = u.instance_id and e.seq > u.last_seq);
end
$$;

-- Puts a line that may be lost, or claim anything, unless the log has moved on.
create function leasehold_projection.rebuild_line(
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
          next_cell_id = excluded.next_cell_id, last_seq = excluded.last_seq, updated_at = excluded.updated_at;
end
$$;
