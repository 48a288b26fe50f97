-- Only what the process that opened an attempt says, in that term, is evidence of it. With one
-- place for each attempt and kind, a late outcome that another client wrote kept that process's own
-- word out.

alter table leasehold.late_outcomes
  alter column replica_id type text collate "C",
  drop constraint late_outcomes_pkey,
  add primary key (instance_id, cell_id, attempt, kind, replica_id, fencing_token);
