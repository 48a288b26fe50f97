-- Notes each claim that somebody waits for, in the transaction that makes it; put_unattended.sql
-- has the other side, and says why no wake-up is lost between the two.
--
-- It takes the claim's lock exclusively until the end of the transaction, and looks for those who
-- wait only then. So of a claim and a line that are written at the same time, one sees the other.
-- It writes one note, however many wait: a claim costs its author no more when a hundred thousand
-- do. Transactions that make several claims, in opposite orders, may deadlock; Postgres ends one of
-- them with 40P01, and nothing of it is written.
--
-- It runs with the owner's rights, so that a client that may make a claim need not know of the
-- notes.
create or replace function leasehold_projection.note_claims() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
  -- 19529 is one above the number of the instances' locks; see guard_executions.sql.
  perform pg_advisory_xact_lock(19529, l.key)
    from (select distinct hashtext(f.claim_id) as key from fresh f order by 1) l;
  insert into leasehold_projection.wakes (kind, id, revision, status)
    select 'claim', f.claim_id, f.revision, f.status from fresh f
      -- With a snapshot that is frozen, those who wait since could not be seen.
      where current_setting('transaction_isolation') <> 'read committed' or exists (
        select from leasehold_projection.unattended u
          where u.claim_id = f.claim_id and u.claim_revision < f.revision
            and f.status = any(u.claim_statuses))
      order by f.claim_id, f.revision;
  return null;
end
$$;
