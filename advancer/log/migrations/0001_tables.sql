-- The tables of the log, and the two functions that they and their readers depend on. All of these
-- tables are append-only: 0002 enforces that, and the guard (0003) decides what may be appended.
--
-- Whatever an index holds is ordered by its bytes (collate "C"), whatever the database's own
-- collation is. The operating system may change the order of another collation: after an update of
-- its library, an index built before no longer finds what it holds. For the keys of the log that
-- would end every guarantee, since a key that is not found can be inserted a second time; and the
-- hyphen, which ids may contain, has been moved before. Comparing bytes is faster as well.

-- Whether a text is an id. The length is checked separately: a bounded repetition in the pattern
-- would make each check about forty times as expensive, and a row has four ids.
create function leasehold.is_id(value text) returns boolean
  language sql immutable
  return length(value) <= 128 and value ~ '^[A-Za-z0-9_-]+$';

create table leasehold.runbooks (
  runbook_id text collate "C" not null check (leasehold.is_id(runbook_id)),
  version int not null check (version >= 1),
  cells jsonb not null check (jsonb_typeof(cells) = 'array'),
  inputs jsonb not null default '[]' check (jsonb_typeof(inputs) = 'array'),
  digest text not null,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (runbook_id, version)
);

-- No foreign key to runbooks: they are never deleted, so looking once when an instance is started
-- is enough, and a key would lock and rewrite the runbook's row at every start.
create table leasehold.instances (
  instance_id text collate "C" primary key check (leasehold.is_id(instance_id)),
  runbook_id text collate "C" not null,
  version int not null,
  inputs jsonb not null default '{}' check (jsonb_typeof(inputs) = 'object'),
  agent_id text not null,
  recorded_at timestamptz not null default clock_timestamp()
);

create index instances_by_runbook on leasehold.instances (runbook_id, instance_id);

-- No foreign key to instances: the integrity that counts here is the chain, which the guard
-- enforces without touching another table, and a key would cost a look-up and a row lock for every
-- row of every log.
--
-- The guard checks what a column may hold, here and in requests: Postgres prepares a table's own
-- constraints again for every statement, which takes longer than inserting a single row.
create table leasehold.executions (
  instance_id text collate "C" not null,
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

-- For max(fencing_token), which detects an etcd that was restored from a backup. Outcomes are left
-- out, which makes appending them cheaper: an outcome has the token of its intent.
create index executions_by_token on leasehold.executions (fencing_token)
  where kind not in ('completed', 'failed');

-- No foreign key here either: an enqueued request for an instance that does not exist is recorded
-- as not_found.
create table leasehold.requests (
  request_id text collate "C" primary key,
  instance_id text collate "C" not null,
  fencing_token bigint not null,
  -- The last seq that the receipt rests on; 0 for an empty log.
  last_seq bigint not null default 0,
  receipt jsonb not null,
  recorded_at timestamptz not null default clock_timestamp(),
  -- Whether the receipt was inserted together with rows. The default is safe for a client that does
  -- not say: its receipt gets an index entry that it may not need.
  with_rows boolean not null default false
);

-- For max(fencing_token) as well. A receipt that comes with rows has the token of the last of them,
-- so it needs no entry.
create index requests_by_token on leasehold.requests (fencing_token) where not with_rows;

create table leasehold.claims (
  claim_id text collate "C" not null check (leasehold.is_id(claim_id)),
  revision int not null check (revision >= 1),
  status text not null,
  agent_id text not null,
  evidence jsonb,
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (claim_id, revision)
);

create table leasehold.late_outcomes (
  instance_id text collate "C" not null check (leasehold.is_id(instance_id)),
  cell_id text collate "C" not null check (leasehold.is_id(cell_id)),
  attempt int not null check (attempt >= 1),
  fencing_token bigint not null,
  replica_id text not null,
  kind text collate "C" not null check (kind in ('completed', 'failed', 'not_started')),
  body jsonb not null default '{}' check (jsonb_typeof(body) = 'object'),
  recorded_at timestamptz not null default clock_timestamp(),
  primary key (instance_id, cell_id, attempt, kind)
);

create table leasehold.refusals (
  refusal_id bigint generated always as identity primary key,
  instance_id text collate "C" not null check (leasehold.is_id(instance_id)),
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
