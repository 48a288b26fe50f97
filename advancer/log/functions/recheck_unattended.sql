-- Compares a page of the lines of unattended instances, after `after` in the order of their ids,
-- with what they were derived from, and makes due what should be: those whose log has moved on,
-- whose claim has a wanted status, or none of whose children is left. Each of these is found
-- without this, unless somebody has deleted a note or restored the tables from different moments.
-- It returns the last instance of the page (null if there are no more), and how many it has made
-- due.
create or replace function leasehold_projection.recheck_unattended(
  after text, page int, out last text, out made_due int
) returns record
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
  set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
  ids text[];
begin
  select array_agg(p.instance_id), max(p.instance_id collate "C") into ids, last
    from (select u.instance_id from leasehold_projection.unattended u
            where u.instance_id > after order by u.instance_id limit page) p;
  with stale as (
    select u.instance_id, u.last_seq from leasehold_projection.unattended u
      where u.instance_id = any(ids) and (u.due_at > clock_timestamp()) is not false
        and (
          exists (select from leasehold.executions e
                    where e.instance_id = u.instance_id and e.seq > u.last_seq
                      and not exists (select from leasehold_projection.instances p
                        where p.instance_id = u.instance_id
                          and p.status in ('running', 'in_doubt')))
          or exists (select from (
                 select n.revision, n.status from leasehold.claims n
                   where n.claim_id = u.claim_id order by n.revision desc limit 1) c
               where c.revision > u.claim_revision and c.status = any(u.claim_statuses))
          or (u.due_at is null and u.claim_id is null
              and exists (select from leasehold_projection.instances p
                where p.instance_id = u.instance_id and p.status in ('parked', 'ready'))
              and not exists (
                select from leasehold.instances c
                  join leasehold_projection.unattended l on l.instance_id = c.instance_id
                  where c.parent_instance_id = u.instance_id)))
      order by u.instance_id for update of u skip locked)
  update leasehold_projection.unattended u
    set due_at = clock_timestamp()
    from stale
    where u.instance_id = stale.instance_id and u.last_seq = stale.last_seq;
  get diagnostics made_due = row_count;
end
$$;
