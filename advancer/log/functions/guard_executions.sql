-- The guard of the rows, and why both halves of the guard are written as they are; the other half,
-- for receipts, is guard_requests.sql. It checks every insert, whichever client sends it, the owner
-- included:
--
--   LH001  gap: there is no row at seq - 1
--   LH002  stale token: the token is below that of the row before
--   LH003  order: this row may not follow its predecessor
--   LH005  the request has its receipt: nothing more may be written under its id
--   LH006  the receipt does not rest on the newest row: the log has moved on
--   LH007  the instance is cancelled: nothing follows
--   23514  a column holds a value it may not; the error names it
--
-- If one row of a statement is refused, the whole statement is. The guard checks a statement's rows
-- together, after all of them are inserted, so a batch costs one check and not one per row. A
-- duplicate key is therefore reported first (23505).
--
-- Locks. Rows need no lock against each other: a row is judged by its predecessor, which never
-- changes, and of two rows with the same key the primary key admits one. But a receipt without
-- rows inserts nothing that could collide with a row, and under READ COMMITTED neither transaction
-- would see the other. So rows take their instance's advisory lock in shared mode, and a receipt
-- without rows takes it in exclusive mode. A receipt that comes with rows needs no lock: its last
-- row is still uncommitted, and nobody can append after a row that they cannot see. Each statement
-- in these functions takes a new snapshot, so what is read once the lock is granted includes what
-- the lock waited for. That holds under READ COMMITTED only: with a frozen snapshot the guard would
-- be blind, so every other level is refused (25000).
--
-- Deadlocks. A statement first waits for keys and, only once all of its rows are inserted, for
-- locks, in their order. A client that appends to many instances at once inserts keys in the order
-- of instances (`sql/append.ts`) and never mixes rows with receipts without rows, so no cycle can
-- form. Clients that do otherwise (one request id for two instances, several statements in a
-- transaction) may deadlock: Postgres ends one of them with 40P01, nothing of it is written, and
-- sending it again is right.
--
-- Speed. Preparing a long expression takes Postgres longer than evaluating it for a few rows, and
-- it is prepared for every statement. So each function first asks a short question, whether all
-- rows are plainly right. Only if not does it go through the whole rule, which decides.
--
-- Plans. The functions look up single rows by their keys, and the planner settings say so.
-- Otherwise the planner would go by its guesses about tables that have no statistics yet, and keep
-- those plans while the tables grow.
--
-- The projection. No intent stands whose line in the projection does not say `running`. So a client
-- that appends an intent need not write a line that says `running` already, and need not be certain
-- that it does: a later term may have found the instance at rest meanwhile.
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
  -- 19528 is "LH"; it separates these locks from other advisory locks in the database.
  perform pg_advisory_xact_lock_shared(19528, l.key)
    from (select hashtext(f.instance_id) as key from fresh f order by 1) l;

  -- Plainly right: a first intent, an outcome after its intent, or the next cell's intent after an
  -- outcome, under no older token, with sound columns, for a request without a receipt; and the
  -- line of an intent says `running`. A row of an undo cell is never plainly right: such cells may
  -- not begin everywhere.
  if not exists (
    select from fresh f
      left join leasehold.executions b on b.instance_id = f.instance_id and b.seq = f.seq - 1
      where (case
          when f.seq = 1 then f.kind = 'started' and f.attempt = 1
          when b.kind = 'started' then f.kind in ('completed', 'failed') and f.cell_id = b.cell_id
            and f.attempt = b.attempt and f.fencing_token = b.fencing_token
          when b.kind = 'completed' then f.kind = 'started' and f.cell_id <> b.cell_id
            and f.attempt = 1 and f.fencing_token >= b.fencing_token
            and not starts_with(b.cell_id, 'undo-')
        end
        and not starts_with(f.cell_id, 'undo-')
        and (f.kind <> 'started' or 'running' = (
          select p.status from leasehold_projection.instances p
            where p.instance_id = f.instance_id))
        and f.fencing_token between 1 and 9007199254740991
        and greatest(length(f.instance_id), length(f.cell_id), length(f.request_id)) <= 128
        and f.instance_id || ' ' || f.cell_id || ' ' || f.request_id
          ~ '^[A-Za-z0-9_-]+ [A-Za-z0-9_-]+ [A-Za-z0-9_-]+$'
        and jsonb_typeof(f.body) = 'object'
        and f.xid = pg_current_xact_id()::text::bigint) is not true
        or exists (select from leasehold.requests r
          where r.request_id = f.request_id and (
            r.instance_id <> f.instance_id or r.last_seq < f.seq))
  ) then
    return null;
  end if;

  perform leasehold.refuse_malformed('leasehold.executions', m.wrong)
    from fresh f
    cross join lateral (select leasehold.malformed(
      f.instance_id, f.fencing_token, f.kind, f.cell_id, f.attempt, f.request_id, f.body
    ) as wrong offset 0) m
    where m.wrong is not null;
  -- Under another transaction id, a row would be hidden from those who read all rows in turn.
  if exists (
    select from fresh f where f.xid is distinct from pg_current_xact_id()::text::bigint
  ) then
    perform leasehold.refuse_malformed('leasehold.executions', 'xid');
  end if;

  select c.code, f.*, b.seq as before_seq, b.fencing_token as before_token, b.kind as before_kind,
         b.cell_id as before_cell_id, b.attempt as before_attempt
    into breach
    from fresh f
    left join leasehold.executions b on b.instance_id = f.instance_id and b.seq = f.seq - 1
    cross join lateral (select coalesce(
      leasehold.chain_breach(f.seq, f.fencing_token, f.kind, f.cell_id, f.attempt, f.body,
                             b.fencing_token, b.kind, b.cell_id, b.attempt, b.body),
      -- A receipt is the last word on its request and lists every row of it: nothing more is
      -- written under its id. An attempt that must be closed all the same is closed under no
      -- request. A receipt that came in the same statement as this row rests on it.
      (select 'LH005' from leasehold.requests r
         where r.request_id = f.request_id and (
           r.instance_id <> f.instance_id or r.last_seq < f.seq))
    ) as code offset 0) c
    where c.code is not null
    order by f.instance_id, f.seq
    limit 1;
  if found then
    raise exception using errcode = breach.code, message = case breach.code
      when 'LH001' then format('gap: there is no row at seq %s of instance %s',
        breach.seq - 1, breach.instance_id)
      when 'LH002' then format('stale token: %s is below %s, the token at seq %s of instance %s',
        breach.fencing_token, breach.before_token, breach.before_seq, breach.instance_id)
      when 'LH007' then format(
        'cancelled: %s (cell %s, attempt %s) may not follow the cancellation at seq %s of instance %s',
        breach.kind, breach.cell_id, breach.attempt, breach.before_seq, breach.instance_id)
      when 'LH005' then format(
        'request %s has its receipt: %s (cell %s) may not be written under it',
        breach.request_id, breach.kind, breach.cell_id)
      else case when breach.seq = 1
        then format('order: %s (cell %s, attempt %s) cannot be the first row of instance %s',
          breach.kind, breach.cell_id, breach.attempt, breach.instance_id)
        else format('order: %s (cell %s, attempt %s, token %s) may not follow '
                    '%s (cell %s, attempt %s, token %s) at seq %s of instance %s',
          breach.kind, breach.cell_id, breach.attempt, breach.fencing_token, breach.before_kind,
          breach.before_cell_id, breach.before_attempt, breach.before_token, breach.before_seq,
          breach.instance_id)
        end
      end;
  end if;

  -- The line of an intent says `running`: otherwise a sweep would not find it.
  update leasehold_projection.instances p
    set status = 'running', next_cell_id = f.cell_id, last_seq = f.seq,
        updated_at = clock_timestamp()
    from fresh f
    where f.kind = 'started' and p.instance_id = f.instance_id and p.status <> 'running'
      and not exists (select from fresh g where g.instance_id = f.instance_id and g.seq > f.seq);

  -- The children of an instance that is cancelled with them are found without anybody's asking.
  insert into leasehold_projection.wakes (kind, id)
    select 'cancel_children', f.instance_id from fresh f
      where f.kind in ('unwinding', 'cancelled') and f.body @> '{"children": true}';
  return null;
end
$$;
