-- The guard: what may be appended, whichever client sends it, the owner included.
--
--   LH001  gap: there is no row at seq - 1
--   LH002  stale token: the token is below the one before it
--   LH003  order: this row may not follow its predecessor
--   LH005  the request has its receipt: nothing more may be written under its id
--   LH006  the receipt does not rest on the newest row: the log has moved on
--   23514  a column holds what it may not, by name
--
-- A statement with a row that is refused is refused as a whole. The guard looks at a statement's rows together once
-- all of them stand, so a batch costs one look and not one a row; a key that is taken is therefore told first (23505).
--
-- Locks. A row needs none against other rows: it is judged by its predecessor, which never changes, and two rows
-- that want one key are told apart by the primary key. But a receipt without rows of its own writes no row that
-- could collide with one, and under READ COMMITTED neither would see the other. So rows take their instance's
-- advisory lock shared, and such a receipt takes it exclusively; a receipt that comes with rows needs nothing,
-- because its last row is still uncommitted, and nobody can follow a row that he cannot see. Each statement of
-- these functions takes a new snapshot, so what is read after the lock was granted includes what the lock was
-- waiting for. That is true of READ COMMITTED only; under a frozen snapshot the guard would be blind, hence 25000.
--
-- Deadlocks. A statement first waits for keys, and only once all of its rows stand for locks, in their order. Keys
-- are asked for in the order of instances by whoever appends many at once (`sql/append.ts`), which never mixes rows
-- and receipts without rows, so no circle closes. What is left are clients that break these habits (a request id
-- used for two instances, several statements in a transaction): Postgres ends one of them with 40P01, nothing is
-- written, and sending it again is right.
--
-- Speed. To prepare a long expression takes Postgres longer than to evaluate it for a few rows, and it is prepared for
-- every statement. So each function first asks whether all rows are plainly right, in few words, and only if not goes
-- through the whole rule, which decides.
--
-- Plans. The functions look up single rows by their keys. They say so to the planner, because it would otherwise
-- plan by what it believes of tables that it has no statistics of yet, and keep to that while they grow.

-- Why a row may not stand after `before`, the row at seq - 1 (all nulls: there is none); null: it may.
-- The same rule as src/execution/chain.ts; a property test holds the two against each other.
create function leasehold.chain_breach(
  seq bigint, fencing_token bigint, kind text, cell_id text, attempt int, body jsonb,
  before_token bigint, before_kind text, before_cell_id text, before_attempt int, before_body jsonb
) returns text
  language sql immutable
  return case
    when seq = 1 then
      case when kind in ('started', 'satisfied', 'refuted') and attempt = 1 then null else 'LH003' end
    when before_kind is null then 'LH001'
    when fencing_token < before_token then 'LH002'
    when case
      when before_kind = 'started' then cell_id = before_cell_id and attempt = before_attempt and case
        when kind in ('completed', 'failed') then fencing_token = before_token
        else kind = 'interrupted' and body ->> 'reason' in ('crash', 'timeout', 'aborted', 'not_started')
        end
      when before_kind = 'interrupted' then
        kind = 'decided' and cell_id = before_cell_id and attempt = before_attempt and case
          when before_body ->> 'reason' = 'not_started' then body ->> 'as' = 'rerun'
          else body ->> 'as' in ('succeeded', 'failed', 'rerun', 'skipped')
          end
      when before_kind = 'failed' or before_kind = 'decided' and before_body ->> 'as' in ('rerun', 'failed') then
        kind = 'started' and cell_id = before_cell_id and attempt = before_attempt::bigint + 1
      when before_kind in ('completed', 'satisfied', 'decided') then
        kind in ('started', 'satisfied', 'refuted') and cell_id <> before_cell_id and attempt = 1
      else false
    end then null
    -- A missing value makes the condition null, which allows nothing either.
    else 'LH003'
  end;

-- The first column of a row that holds what it may not; null when there is none. A seq below 1 is a gap.
create function leasehold.malformed(
  instance_id text, fencing_token bigint, kind text, cell_id text, attempt int, request_id text, body jsonb
) returns text
  language sql immutable
  return case
    when not leasehold.is_id(instance_id) then 'instance_id'
    when fencing_token < 1 then 'fencing_token'
    when kind not in ('started', 'completed', 'failed', 'interrupted', 'decided', 'satisfied', 'refuted') then 'kind'
    when not leasehold.is_id(cell_id) then 'cell_id'
    when attempt < 1 then 'attempt'
    when not leasehold.is_id(request_id) then 'request_id'
    when jsonb_typeof(body) <> 'object' then 'body'
  end;

create function leasehold.refuse_malformed(table_name text, column_name text) returns void
  language plpgsql immutable
as $$
begin
  raise exception 'new row of %: % violates its check constraint', table_name, column_name
    using errcode = '23514', column = column_name, table = table_name,
          hint = 'Ids are 1 to 128 characters of A-Z a-z 0-9 _ -; bodies and receipts are JSON objects.';
end
$$;

create function leasehold.require_read_committed() returns void
  language plpgsql stable
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'the log is written under READ COMMITTED only, not %', current_setting('transaction_isolation')
      using errcode = '25000', hint = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED.';
  end if;
end
$$;

create function leasehold.guard_executions() returns trigger
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
  -- token, with sound columns, for a request without a receipt.
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
  return null;
end
$$;

create trigger guard after insert on leasehold.executions referencing new table as fresh
  for each statement execute function leasehold.guard_executions();

-- A receipt is as fenced as a row: it rests on the newest row, under no older token.
create function leasehold.guard_requests() returns trigger
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
  -- Plainly right: it rests on a row of this transaction, under that one's token. Nobody else can have followed it.
  if not exists (
    select from fresh f
      left join leasehold.executions e on e.instance_id = f.instance_id and e.seq = f.last_seq
      where (e.xmin = pg_current_xact_id()::xid and e.fencing_token = f.fencing_token
        and greatest(length(f.instance_id), length(f.request_id)) <= 128
        and f.instance_id || ' ' || f.request_id ~ '^[A-Za-z0-9_-]+ [A-Za-z0-9_-]+$'
        and jsonb_typeof(f.receipt) = 'object'
        and not exists (
          select from leasehold.executions n where n.instance_id = f.instance_id and n.seq > f.last_seq)) is not true
  ) then
    return null;
  end if;
  perform leasehold.refuse_malformed('leasehold.requests', m.wrong)
    from fresh f
    cross join lateral (select case when f.last_seq < 0 then 'last_seq' else coalesce(
      leasehold.malformed(f.instance_id, f.fencing_token + 1, 'started', 'none', 1, f.request_id, '{}'),
      case when jsonb_typeof(f.receipt) <> 'object' then 'receipt' end) end as wrong offset 0) m
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

create trigger guard after insert on leasehold.requests referencing new table as fresh
  for each statement execute function leasehold.guard_requests();
