-- requires: guard_schedules, guard_ticks, guard_tick_origins

-- Schedules, and what became of each of their ticks. Both tables are append-only. The guards
-- (guard_schedules.sql, guard_ticks.sql) decide what may be appended.

-- A revision says what a schedule starts, and when, from a moment on: `since`. What came due up to
-- that moment belongs to the revision before it. A schedule that is paused, resumed or deleted gets
-- a revision, too.
create table leasehold.schedules (
  schedule_id text collate "C" not null check (leasehold.is_id(schedule_id)),
  revision int not null check (revision >= 1),
  runbook_id text collate "C" not null check (leasehold.is_id(runbook_id)),
  -- Null: the newest at each tick.
  version int check (version >= 1),
  cron text,
  every text,
  timezone text check (timezone is null or cron is not null),
  inputs jsonb not null default '{}' check (jsonb_typeof(inputs) = 'object'),
  overlap text not null default 'skip' check (overlap in ('skip', 'allow')),
  catch_up text not null default 'last' check (catch_up in ('last', 'all', 'none')),
  jitter text,
  unattended boolean not null default true,
  paused boolean not null default false,
  deleted boolean not null default false,
  since timestamptz not null default date_trunc('milliseconds', clock_timestamp())
    check (since = date_trunc('milliseconds', since)),
  agent_id text not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (schedule_id, revision),
  check (num_nonnulls(cron, every) = 1)
);

-- The key orders ticks by their time, so the newest one of a schedule is found at once.
create table leasehold.ticks (
  schedule_id text collate "C" not null check (leasehold.is_id(schedule_id)),
  tick timestamptz not null check (tick = date_trunc('second', tick)),
  revision int not null,
  outcome text not null check (outcome in ('started', 'skipped', 'invalid')),
  -- What the decision rested on: the newest tick, or when the revision began.
  after timestamptz,
  -- Set if it stands for every tick from this one on: they were missed, and are too many.
  from_tick timestamptz check (from_tick = date_trunc('second', from_tick)),
  instance_id text collate "C" check (leasehold.is_id(instance_id)),
  -- Why it started nothing.
  reason text,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (schedule_id, tick),
  check ((outcome = 'started') = (instance_id is not null))
);

-- An instance that a tick started records its origin. `start` leaves both null.
alter table leasehold.instances
  add column schedule_id text collate "C",
  add column tick timestamptz;

create unique index instances_by_tick on leasehold.instances (schedule_id, tick)
  where schedule_id is not null;

-- When a schedule is to be looked at. Nothing that decides safety reads it.
create table leasehold_projection.schedules (
  schedule_id text collate "C" primary key,
  revision int not null,
  -- Null while it starts nothing.
  next_at timestamptz
);

create index schedules_due on leasehold_projection.schedules (next_at, schedule_id)
  where next_at is not null;

create trigger guard after insert on leasehold.schedules referencing new table as fresh
  for each statement execute function leasehold.guard_schedules();

create trigger guard after insert on leasehold.ticks referencing new table as fresh
  for each statement execute function leasehold.guard_ticks();

create trigger guard_tick_origin after insert on leasehold.instances for each row
  when (num_nonnulls(new.schedule_id, new.tick) > 0)
  execute function leasehold.guard_tick_origins();

create trigger append_only before update or delete or truncate on leasehold.schedules
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.ticks
  for each statement execute function leasehold.refuse_change();

grant select, insert on leasehold.schedules, leasehold.ticks to leasehold_app;
grant select, insert, update on leasehold_projection.schedules to leasehold_app;
