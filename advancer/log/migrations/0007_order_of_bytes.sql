-- What indexes hold is ordered by its bytes, whatever the database's own collation is.
--
-- The order of another collation is the operating system's to change: one update of its library, and an index that was built
-- before it no longer finds what it holds. For the keys of the log that would be the end of every guarantee, since a key
-- that is not found can be taken a second time; and of just the characters that ids have, the hyphen has been moved before.
-- It is faster as well: a key is looked for by comparing bytes.
--
-- No table is rewritten, but the indexes are built anew, and nothing can be appended meanwhile.
alter table leasehold.runbooks
  alter column runbook_id type text collate "C";
alter table leasehold.instances
  alter column instance_id type text collate "C",
  alter column runbook_id type text collate "C";
alter table leasehold.executions
  alter column instance_id type text collate "C";
alter table leasehold.requests
  alter column request_id type text collate "C",
  alter column instance_id type text collate "C";
alter table leasehold.claims
  alter column claim_id type text collate "C";
alter table leasehold.late_outcomes
  alter column instance_id type text collate "C",
  alter column cell_id type text collate "C",
  alter column kind type text collate "C";
alter table leasehold.refusals
  alter column instance_id type text collate "C";
alter table leasehold_projection.instances
  alter column instance_id type text collate "C",
  alter column runbook_id type text collate "C",
  alter column status type text collate "C";
