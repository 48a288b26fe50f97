-- requires: list_unattended, note_claims

-- An unattended instance goes on by itself whenever it can. Whether an instance is one is said when
-- it is started, and never changes. The default is constant, so no row is rewritten.
alter table leasehold.instances add column unattended boolean not null default false;

-- One line for each unattended instance that has not ended: what brings it back without being
-- asked. It is derived from the log like the rest of this schema, and nothing that decides safety
-- reads it. Attended instances have no line, so appending to them costs nothing more than before.
--
-- `due_at` is when to look at it next; null if time does not bring it back. `claim_id` is the claim
-- that it waits for, with the statuses that it wants and the revision that it has seen (0: none).
-- A line with neither waits for its children, for a person, or for the attempt that runs.
create table leasehold_projection.unattended (
  instance_id text collate "C" primary key,
  last_seq bigint not null,
  due_at timestamptz,
  claim_id text collate "C",
  claim_revision int,
  claim_statuses text[]
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

-- What is due is found by its time, and who waits for a claim by its id, however many lines there
-- are that neither has come for.
create index unattended_by_time on leasehold_projection.unattended (due_at, instance_id)
  where due_at is not null;
create index unattended_by_claim on leasehold_projection.unattended (claim_id, instance_id)
  where claim_id is not null;

-- What has happened that somebody waits for: notes that are written in the transaction in which it
-- happened, and deleted once everybody who waited has been looked at. `kind` is `claim` (with the
-- revision and the status that were recorded), `child_ended` (the id is the parent's) or
-- `cancel_children` (the id is that of the cancelled parent).
create table leasehold_projection.wakes (
  wake_id bigint generated always as identity primary key,
  kind text collate "C" not null,
  id text collate "C" not null,
  revision int,
  status text,
  noted_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0.02);

create index wakes_by_kind on leasehold_projection.wakes (kind, wake_id);

grant select, insert, update, delete on leasehold_projection.unattended to leasehold_app;
grant select, insert, delete on leasehold_projection.wakes to leasehold_app;

-- Whichever client starts an unattended instance, it is due from then on.
create trigger list_unattended after insert on leasehold.instances for each row
  when (new.unattended) execute function leasehold_projection.list_unattended();

-- Whichever client makes a claim, those who wait for it are not forgotten.
create trigger note_waiters after insert on leasehold.claims referencing new table as fresh
  for each statement execute function leasehold_projection.note_claims();
