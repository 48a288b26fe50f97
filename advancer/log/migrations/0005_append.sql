-- Writes a batch of entries, each for an instance of its own and each all or nothing:
--
--   [{"entry": 1, "instance_id", "last_seq", "status", "next_cell_id",
--     "rows": [a row with the columns of executions, ...],
--     "receipt": {a row with the columns of requests} or null}, ...]
--
-- Answers one line per entry: whether it stands, and its rows' times in order of seq. An entry that was refused
-- leaves nothing behind and disturbs no other.
--
-- How an entry is all or nothing without a savepoint of its own: it is decided by its first row. While that row
-- stands uncommitted nobody can follow it, so the later keys are free; and the instance's lock keeps out receipts,
-- so what was true of the requests before the first row still is. Should a later row be refused all the same (a
-- client that breaks the order of kinds), its code is raised and the whole batch fails; send its entries singly.
create function leasehold.append(entries jsonb)
  returns table (entry int, recorded boolean, times text[])
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  item jsonb;
  later_times text[];
  first_time timestamptz;
  -- The requests whose receipts would forbid the entry.
  guarded text[];
  on_refusal text := coalesce(current_setting('leasehold.on_refusal', true), '');
  row_count int;
begin
  -- In the order of their lock keys: the guard's note on deadlocks.
  for item in
    select value from jsonb_array_elements(entries)
      order by hashtext(value ->> 'instance_id'), value ->> 'instance_id'
  loop
    entry := (item ->> 'entry')::int;
    recorded := false;
    times := '{}';
    row_count := jsonb_array_length(item -> 'rows');

    if row_count = 0 then
      perform set_config('leasehold.on_refusal', 'skip', true);
      insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
        select r.request_id, r.instance_id, r.fencing_token, r.last_seq, r.receipt
          from jsonb_populate_record(null::leasehold.requests, item -> 'receipt') r
        on conflict do nothing;
      recorded := found;
      perform set_config('leasehold.on_refusal', on_refusal, true);
    else
      perform leasehold.guard_lock(item ->> 'instance_id', false);
      guarded := array(select e ->> 'request_id' from jsonb_array_elements(item -> 'rows') e);
      guarded := guarded || (item -> 'receipt' ->> 'request_id');
      perform from leasehold.requests r where r.request_id = any(guarded);
      if not found then
        perform set_config('leasehold.on_refusal', 'skip', true);
        insert into leasehold.executions as x
            (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
          select r.instance_id, r.seq, r.fencing_token, r.replica_id, r.kind, r.cell_id, r.attempt,
                 r.request_id, r.agent_id, r.body
            from jsonb_populate_record(null::leasehold.executions, item -> 'rows' -> 0) r
          on conflict do nothing
          returning x.recorded_at into first_time;
        recorded := found;
        perform set_config('leasehold.on_refusal', on_refusal, true);
      end if;

      if recorded then
        times := array[leasehold.iso8601(first_time)];
        perform set_config('leasehold.on_refusal', 'raise', true);
        if row_count > 1 then
          with later as (
            insert into leasehold.executions as x
                (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
              select r.instance_id, r.seq, r.fencing_token, r.replica_id, r.kind, r.cell_id, r.attempt,
                     r.request_id, r.agent_id, r.body
                from jsonb_populate_recordset(null::leasehold.executions, (item -> 'rows') - 0) r
                order by r.seq
              returning x.seq, x.recorded_at)
          select array_agg(leasehold.iso8601(l.recorded_at) order by l.seq) into later_times from later l;
          times := times || later_times;
        end if;
        if item -> 'receipt' <> 'null' then
          insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
            select r.request_id, r.instance_id, r.fencing_token, r.last_seq, r.receipt
              from jsonb_populate_record(null::leasehold.requests, item -> 'receipt') r;
        end if;
        perform set_config('leasehold.on_refusal', on_refusal, true);
      end if;
    end if;

    if recorded then
      insert into leasehold_projection.instances as p
          (instance_id, runbook_id, version, status, next_cell_id, last_seq, updated_at)
        select i.instance_id, i.runbook_id, i.version, item ->> 'status', item ->> 'next_cell_id',
               (item ->> 'last_seq')::bigint, clock_timestamp()
          from leasehold.instances i
          where i.instance_id = item ->> 'instance_id'
        on conflict (instance_id) do update
          set status = excluded.status, next_cell_id = excluded.next_cell_id,
              last_seq = excluded.last_seq, updated_at = excluded.updated_at
          where excluded.last_seq >= p.last_seq;
    end if;
    return next;
  end loop;
end
$$;
