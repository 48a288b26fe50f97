-- The guard: what may be appended, whichever client sends it, the owner included.
--
--   LH001  gap: there is no row at seq - 1
--   LH002  stale token: the token is below the one before it
--   LH003  order: this row may not follow its predecessor
--   LH005  the request has its receipt: nothing more may be written under its id
--   LH006  the receipt does not rest on the newest row: the log has moved on
--
-- A refused row raises its code. With `set leasehold.on_refusal = 'skip'` it is left out instead, so that one
-- refused row does not fail the batch it came in; the inserter learns from RETURNING which rows stand.
--
-- Locks. A row needs none against other rows: it is judged by its predecessor, which never changes, and two rows
-- that want one key are told apart by the primary key. But a receipt without rows of its own writes no row that
-- could collide with one, and under READ COMMITTED neither would see the other. So every row takes the instance's
-- advisory lock shared, and such a receipt takes it exclusively; a receipt that comes with rows needs nothing,
-- because its last row is still uncommitted, and nobody can follow a row that he cannot see. Each statement of
-- these functions takes a new snapshot, so what is read after the lock was granted includes what the lock was
-- waiting for. That is true of READ COMMITTED only; under a frozen snapshot the guard would be blind, hence 25000.
--
-- Deadlocks. A transaction on one instance takes its advisory lock first and then waits at most for one key, the
-- first it inserts: once its row stands, whoever else wants that seq or a later one waits for it. Whoever it waits
-- for is past that point and waits for nothing on this instance. leasehold.append takes several instances in the
-- order of their lock keys, so no circle closes across instances. What is left are clients that break these
-- habits (a request id used for two instances, a savepoint between a row and its receipt): Postgres ends one of
-- them with 40P01, nothing is written, and sending it again is right.

create function leasehold.guard_lock(instance_id text, exclusive boolean) returns void
  language plpgsql volatile
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'the log is written under READ COMMITTED only, not %', current_setting('transaction_isolation')
      using errcode = '25000', hint = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED.';
  end if;
  -- 19528 is "LH"; it keeps these locks apart from other users of advisory locks in the database.
  if exclusive then
    perform pg_advisory_xact_lock(19528, hashtext(instance_id));
  else
    perform pg_advisory_xact_lock_shared(19528, hashtext(instance_id));
  end if;
end
$$;

-- Says no: an error for most clients, a skipped row for those that asked for it (the caller then returns null).
create function leasehold.refuse(code text, reason text) returns void
  language plpgsql volatile
as $$
begin
  if current_setting('leasehold.on_refusal', true) is distinct from 'skip' then
    raise exception '%', reason using errcode = code;
  end if;
end
$$;

-- The same rule as src/execution/chain.ts; a property test holds the two against each other.
create function leasehold.guard_execution() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  before record;
  opens boolean := new.kind in ('started', 'satisfied', 'refuted');
  same_attempt boolean;
  next_attempt boolean;
  next_cell boolean;
  allowed boolean;
begin
  perform leasehold.guard_lock(new.instance_id, false);

  if new.seq = 1 then
    allowed := opens and new.attempt = 1;
  else
    select e.seq, e.fencing_token, e.kind, e.cell_id, e.attempt,
           case e.kind when 'interrupted' then e.body ->> 'reason' when 'decided' then e.body ->> 'as' end as said
      into before
      from leasehold.executions e
      where e.instance_id = new.instance_id and e.seq = new.seq - 1;
    if not found then
      perform leasehold.refuse('LH001',
        format('gap: there is no row at seq %s of instance %s', new.seq - 1, new.instance_id));
      return null;
    end if;
    if new.fencing_token < before.fencing_token then
      perform leasehold.refuse('LH002',
        format('stale token: %s is below %s, the token at seq %s of instance %s',
               new.fencing_token, before.fencing_token, before.seq, new.instance_id));
      return null;
    end if;
    same_attempt := new.cell_id = before.cell_id and new.attempt = before.attempt;
    next_attempt := new.kind = 'started' and new.cell_id = before.cell_id
                    and new.attempt = before.attempt::bigint + 1;
    next_cell := opens and new.cell_id <> before.cell_id and new.attempt = 1;
    allowed := case before.kind
      when 'started' then same_attempt and case
        when new.kind in ('completed', 'failed') then new.fencing_token = before.fencing_token
        else new.kind = 'interrupted'
             and new.body ->> 'reason' in ('crash', 'timeout', 'aborted', 'not_started')
        end
      when 'interrupted' then new.kind = 'decided' and same_attempt and case
        when before.said = 'not_started' then new.body ->> 'as' = 'rerun'
        else new.body ->> 'as' in ('succeeded', 'failed', 'rerun', 'skipped')
        end
      when 'decided' then case when before.said in ('rerun', 'failed') then next_attempt else next_cell end
      when 'failed' then next_attempt
      when 'completed' then next_cell
      when 'satisfied' then next_cell
      else false
    end;
  end if;

  -- A missing value makes `allowed` null, which is not true either.
  if allowed is not true then
    -- The key is taken: then the primary key has the say (23505), for the order was never the question.
    perform from leasehold.executions e where e.instance_id = new.instance_id and e.seq = new.seq;
    if found then
      return new;
    end if;
    -- Two branches, because a record that was never read cannot even be named.
    if new.seq = 1 then
      perform leasehold.refuse('LH003',
        format('order: %s (cell %s, attempt %s) cannot be the first row of instance %s',
               new.kind, new.cell_id, new.attempt, new.instance_id));
    else
      perform leasehold.refuse('LH003',
        format('order: %s (cell %s, attempt %s, token %s) may not follow %s (cell %s, attempt %s, token %s) '
               'at seq %s of instance %s',
               new.kind, new.cell_id, new.attempt, new.fencing_token, before.kind, before.cell_id,
               before.attempt, before.fencing_token, before.seq, new.instance_id));
    end if;
    return null;
  end if;

  -- A receipt is the last word on its request, and has every row of it: nothing more is written under its id. Whoever
  -- has an attempt to close all the same closes it under no request.
  if new.request_id is not null then
    perform from leasehold.requests r where r.request_id = new.request_id;
    if found then
      perform leasehold.refuse('LH005',
        format('request %s has its receipt: %s (cell %s) may not be written under it',
               new.request_id, new.kind, new.cell_id));
      return null;
    end if;
  end if;
  return new;
end
$$;

create trigger guard before insert on leasehold.executions
  for each row execute function leasehold.guard_execution();

-- A receipt is as fenced as a row: it rests on the newest row, under no older token.
create function leasehold.guard_request() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  newest record;
begin
  -- xmin carries the low 32 bits of the id of the transaction that wrote the row.
  select e.seq, e.fencing_token,
         e.xmin::text::bigint = pg_current_xact_id()::text::bigint & 4294967295 as mine
    into newest
    from leasehold.executions e
    where e.instance_id = new.instance_id
    order by e.seq desc limit 1;
  if not found or not newest.mine then
    perform leasehold.guard_lock(new.instance_id, true);
    select e.seq, e.fencing_token, false as mine
      into newest
      from leasehold.executions e
      where e.instance_id = new.instance_id
      order by e.seq desc limit 1;
  end if;
  if new.last_seq <> coalesce(newest.seq, 0) then
    perform leasehold.refuse('LH006',
      format('the receipt of request %s rests on seq %s, but instance %s is at seq %s',
             new.request_id, new.last_seq, new.instance_id, coalesce(newest.seq, 0)));
    return null;
  end if;
  if new.fencing_token < coalesce(newest.fencing_token, 0) then
    perform leasehold.refuse('LH002',
      format('stale token: %s is below %s, the token at seq %s of instance %s',
             new.fencing_token, newest.fencing_token, newest.seq, new.instance_id));
    return null;
  end if;
  return new;
end
$$;

create trigger guard before insert on leasehold.requests
  for each row execute function leasehold.guard_request();
