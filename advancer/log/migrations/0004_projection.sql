-- What listing and sweeping read, so that they stay fast at a million instances. It is derived from the log, may be
-- rebuilt from it at any time (`leasehold migrate --rebuild-projection`), and nothing that decides safety reads it.

create schema leasehold_projection;

create table leasehold_projection.instances (
  instance_id text primary key,
  runbook_id text not null,
  version int not null,
  status text not null check (status in ('ready', 'running', 'parked', 'in_doubt', 'halted', 'completed')),
  next_cell_id text,
  last_seq bigint not null,
  updated_at timestamptz not null
);

create index instances_unsettled on leasehold_projection.instances (updated_at)
  where status in ('running', 'in_doubt');
create index instances_by_status on leasehold_projection.instances (status, instance_id);

grant usage on schema leasehold_projection to leasehold_app;
grant select, insert, update on leasehold_projection.instances to leasehold_app;
