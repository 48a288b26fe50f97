-- Makes the transaction ids of the rows those of this Postgres cluster; true if they were not.
--
-- A dump that is restored into another cluster brings ids that mean nothing there. They are
-- forgotten: the rows count as older than all others, like those from before the ids were kept.
-- Adding and dropping the column touches no row; building the index reads the table once.
--
-- The index is BRIN, a summary of each 32 pages: rows are appended, so their ids grow along the
-- table, and an insert seldom changes a summary. A btree would get an entry for every row.
create or replace function leasehold.adopt_transaction_ids() returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  here constant bigint := (select system_identifier from pg_control_system());
begin
  if here = (select system_identifier from leasehold.meta) then
    return false;
  end if;
  -- Drops the index as well.
  alter table leasehold.executions drop column if exists xid;
  alter table leasehold.executions add column xid bigint;
  -- The default is set by a second statement, so that rows that exist keep null.
  alter table leasehold.executions
    alter column xid set default (pg_current_xact_id()::text::bigint);
  create index executions_by_xid on leasehold.executions using brin (xid)
    with (pages_per_range = 32, autosummarize = on);
  update leasehold.meta set system_identifier = here;
  return true;
end
$$;
