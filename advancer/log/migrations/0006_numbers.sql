-- requires: guard_claims

-- A number above 2^53 - 1 is not exact as a JSON number: two readers would see different numbers.
-- The guard's functions check the rows and the receipts; these tables are written rarely enough for
-- constraints. They are not validated, so that a row that is wrong already does not prevent the
-- migration: startup names such a row, and docs/operations.md says how to remove it.

alter table leasehold.late_outcomes add constraint late_outcomes_exact_numbers
  check (fencing_token between 0 and 9007199254740991) not valid;
alter table leasehold.refusals add constraint refusals_exact_numbers
  check (seq between 0 and 9007199254740991
    and fencing_token between 0 and 9007199254740991) not valid;

-- The revision of a claim is an int, so it cannot be inexact; but it could be the last one.
create trigger guard after insert on leasehold.claims referencing new table as fresh
  for each statement execute function leasehold.guard_claims();
