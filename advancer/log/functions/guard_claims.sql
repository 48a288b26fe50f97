-- The guard of the claims: a revision directly follows the one before it (LH001), from 1. Otherwise
-- one insert of the highest revision would leave a claim without a next one. As with rows, the
-- predecessor never changes, so this needs no lock; of two claims of one revision the primary key
-- admits one.
create or replace function leasehold.guard_claims() returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  gap record;
begin
  select f.claim_id, f.revision
    into gap
    from fresh f
    where f.revision > 1 and not exists (
      select from leasehold.claims b
        where b.claim_id = f.claim_id and b.revision = f.revision - 1)
    order by f.claim_id, f.revision
    limit 1;
  if found then
    raise exception 'gap: there is no revision % of claim %', gap.revision - 1, gap.claim_id
      using errcode = 'LH001', hint = 'Insert the revision after the newest one.';
  end if;
  return null;
end
$$;
