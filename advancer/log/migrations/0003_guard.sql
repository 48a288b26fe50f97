-- requires: guard_executions, guard_requests

-- The guard decides what may be appended. Its code, and why it is written so, is in the function
-- files. It runs once per statement and sees the statement's rows as `fresh`.

create trigger guard after insert on leasehold.executions referencing new table as fresh
  for each statement execute function leasehold.guard_executions();

create trigger guard after insert on leasehold.requests referencing new table as fresh
  for each statement execute function leasehold.guard_requests();
