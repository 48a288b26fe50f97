-- A fenced holder may also report that its effect ended and that the cell's `expect` cannot be
-- evaluated, because the output was lost. Only a person can judge such an effect, so a report of
-- this kind never settles a doubt.

alter table leasehold.late_outcomes
  drop constraint late_outcomes_kind_check,
  add constraint late_outcomes_kind_check
    check (kind in ('completed', 'failed', 'not_started', 'unverified')),
  add constraint late_outcomes_unverified_check
    check (kind <> 'unverified' or coalesce(body ->> 'reason', '') = 'unverified');
