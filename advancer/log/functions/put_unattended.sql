-- Writes lines of unattended instances: with an append, in the same transaction as its rows, or for
-- an instance at rest. `lines` is an array of objects, in the order of their instances:
--
--   instanceId, lastSeq   the line, and the newest row that it was derived from
--   ended                 true: it has ended, and its line goes
--   dueAt, afterMs        when to look at it next: a moment, or so long from now on; or neither
--   claimId, revision, statuses   the claim that it waits for, the revision that was seen, and the
--                         statuses that it wants
--
-- A line never goes back to an older row of its log.
--
-- No wake-up is lost. A line that waits for a claim is written under the claim's lock in shared
-- mode, and the claim is read once more under it, in a new snapshot. A transaction that makes a
-- claim takes the lock exclusively, and looks for those who wait under it (note_claims.sql). So
-- either the claim was committed before the lock was granted here, and the line is due at once; or
-- it comes later, and finds the line. Nothing waits for the lock here: an append must not wait for
-- a stranger's open transaction. If a claim is being made at this moment, the line is due a second
-- later.
--
-- The end of a child is noted for its parent: the note outlives the replica that wrote it.
create or replace function leasehold_projection.put_unattended(lines jsonb) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  settled text[];
begin
  select array_agg(c.claim_id) into settled
    from (select distinct l.line ->> 'claimId' as claim_id
            from jsonb_array_elements(lines) as l (line) where l.line ? 'claimId' order by 1) c
    where pg_try_advisory_xact_lock_shared(19529, hashtext(c.claim_id));

  insert into leasehold_projection.unattended as u
      (instance_id, last_seq, due_at, claim_id, claim_revision, claim_statuses)
    select l."instanceId", l."lastSeq",
           case
             when l."claimId" is null then d.due_at
             when (l."claimId" = any(settled)) is not true
               then least(d.due_at, clock_timestamp() + interval '1 second')
             when c.revision > l.revision and c.status = any(l.statuses) then clock_timestamp()
             else d.due_at
           end,
           l."claimId", l.revision, l.statuses
      from jsonb_to_recordset(lines) as l ("instanceId" text, "lastSeq" bigint, ended boolean,
             "dueAt" timestamptz, "afterMs" float8, "claimId" text, revision int, statuses text[])
      cross join lateral (select coalesce(
        l."dueAt", clock_timestamp() + l."afterMs" * interval '1 millisecond') as due_at) d
      left join lateral (
        select n.revision, n.status from leasehold.claims n
          where n.claim_id = l."claimId" order by n.revision desc limit 1) c on true
      where l.ended is not true
    on conflict (instance_id) do update
      set last_seq = excluded.last_seq, due_at = excluded.due_at, claim_id = excluded.claim_id,
          claim_revision = excluded.claim_revision, claim_statuses = excluded.claim_statuses
      where excluded.last_seq >= u.last_seq;

  with gone as (
    delete from leasehold_projection.unattended u
      using jsonb_array_elements(lines) as l (line)
      where l.line @> '{"ended": true}' and u.instance_id = l.line ->> 'instanceId'
      returning u.instance_id)
  insert into leasehold_projection.wakes (kind, id)
    select 'child_ended', p.instance_id
      from gone
      join leasehold.instances i on i.instance_id = gone.instance_id
      -- One that has not ended, and moves by itself.
      join leasehold_projection.unattended p on p.instance_id = i.parent_instance_id;
end
$$;
