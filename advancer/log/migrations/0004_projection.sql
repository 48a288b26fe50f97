-- What listing and sweeping read, so that they stay fast with a million instances. It is derived
-- from the log and can be rebuilt from it at any time (`leasehold migrate --rebuild-projection`).
-- Nothing that decides safety reads it.

create schema leasehold_projection;

-- `status` is ready, running, parked, in_doubt, halted or completed. There is no constraint on it:
-- Postgres prepares a table's own constraints again for every statement, which takes longer than
-- writing a line. A wrong line does no harm, and the audit reports it.
--
-- The fillfactor leaves room on each page: a line in which only seq and next cell change then stays
-- on its page, and no index is touched.
create table leasehold_projection.instances (
  instance_id text collate "C" primary key,
  runbook_id text collate "C" not null,
  version int not null,
  status text collate "C" not null,
  next_cell_id text,
  last_seq bigint not null,
  updated_at timestamptz not null
) with (fillfactor = 85);

create index instances_unsettled on leasehold_projection.instances (updated_at)
  where status in ('running', 'in_doubt');
create index instances_by_status on leasehold_projection.instances (status, instance_id);

grant usage on schema leasehold_projection to leasehold_app;
grant select, insert, update on leasehold_projection.instances to leasehold_app;
