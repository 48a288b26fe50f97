-- The tables of the log. Every one of them is append-only: 0002 sees to that, 0003 guards what may be appended.

-- Whether a text is an id. The length is counted apart: a bounded repetition in the pattern would make every check of
-- it some forty times as dear, and a row has four ids.
create function leasehold.is_id(value text) returns boolean
  language sql immutable
  return length(value) <= 128 and value ~ '^[A-Za-z0-9_-]+$';

create table leasehold.runbooks (
  runbook_id text not null check (leasehold.is_id(runbook_id)),
  version int not null check (version >= 1),
  cells jsonb not null check (jsonb_typeof(cells) = 'array'),
  inputs jsonb not null default '[]' check (jsonb_typeof(inputs) = 'array'),
  digest text not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (runbook_id, version)
);

-- No foreign key to runbooks: they are never deleted, so whoever starts an instance need only look once, and a key
-- would lock and rewrite the runbook's row at every start.
create table leasehold.instances (
  instance_id text primary key check (leasehold.is_id(instance_id)),
  runbook_id text not null,
  version int not null,
  inputs jsonb not null default '{}' check (jsonb_typeof(inputs) = 'object'),
  agent_id text not null,
  recorded_at timestamptz not null default clock_timestamp()
);

create index instances_by_runbook on leasehold.instances (runbook_id, instance_id);

-- No foreign key to instances: the integrity that counts here is the chain, which the guard enforces without
-- touching another table, and a key would cost a look-up and a row lock for every row of every log.
--
-- What a column may hold is for the guard to check, here and in requests: Postgres prepares a table's own constraints
-- anew for every statement, which for a single row takes longer than the row.
create table leasehold.executions (
  instance_id text not null,
  seq bigint not null,
  fencing_token bigint not null,
  replica_id text not null,
  kind text not null,
  cell_id text not null,
  attempt int not null default 1,
  request_id text,
  agent_id text,
  body jsonb not null default '{}',
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (instance_id, seq)
);

-- For max(fencing_token), which tells an etcd that was restored from a backup.
create index executions_by_token on leasehold.executions (fencing_token);

-- No foreign key either: an enqueued request for an instance that does not exist is recorded as not_found.
create table leasehold.requests (
  request_id text primary key,
  instance_id text not null,
  fencing_token bigint not null,
  -- The last seq that the receipt rests on; 0 for an empty log.
  last_seq bigint not null default 0,
  receipt jsonb not null,
  recorded_at timestamptz not null default clock_timestamp()
);

create index requests_by_token on leasehold.requests (fencing_token);

create table leasehold.claims (
  claim_id text not null check (leasehold.is_id(claim_id)),
  revision int not null check (revision >= 1),
  status text not null,
  agent_id text not null,
  evidence jsonb,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (claim_id, revision)
);

create table leasehold.late_outcomes (
  instance_id text not null check (leasehold.is_id(instance_id)),
  cell_id text not null check (leasehold.is_id(cell_id)),
  attempt int not null check (attempt >= 1),
  fencing_token bigint not null,
  replica_id text not null,
  kind text not null check (kind in ('completed', 'failed', 'not_started')),
  body jsonb not null default '{}' check (jsonb_typeof(body) = 'object'),
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (instance_id, cell_id, attempt, kind)
);

create table leasehold.refusals (
  refusal_id bigint generated always as identity primary key,
  instance_id text not null check (leasehold.is_id(instance_id)),
  seq bigint not null,
  fencing_token bigint not null,
  replica_id text not null,
  kind text not null,
  reason text not null,
  recorded_at timestamptz not null default clock_timestamp()
);

create index refusals_by_instance on leasehold.refusals (instance_id, seq);

-- A time as ISO 8601 text in UTC, with the microseconds that a JavaScript Date would lose.
create function leasehold.iso8601(moment timestamptz) returns text
  language sql stable
  return to_char(moment at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
