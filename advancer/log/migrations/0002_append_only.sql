-- requires: refuse_change

-- The log only grows. The application role may read and insert. The owner has the right to do more,
-- and these triggers stop it. They are per statement, so that a statement that would touch no row
-- is refused as well.

create trigger append_only before update or delete or truncate on leasehold.runbooks
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.instances
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.executions
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.requests
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.claims
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.late_outcomes
  for each statement execute function leasehold.refuse_change();
create trigger append_only before update or delete or truncate on leasehold.refusals
  for each statement execute function leasehold.refuse_change();

grant usage on schema leasehold to leasehold_app;
-- Replicas check that the database fits them: its namespace, its migrations and its functions.
grant select on leasehold.meta, leasehold.migrations, leasehold.functions to leasehold_app;
grant select, insert on
  leasehold.runbooks, leasehold.instances, leasehold.executions, leasehold.requests,
  leasehold.claims, leasehold.late_outcomes, leasehold.refusals
  to leasehold_app;
