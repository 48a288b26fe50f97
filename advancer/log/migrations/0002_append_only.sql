-- The log only grows. The application role may read and insert; what the owner may do by right, a trigger stops.
-- The triggers are per statement, so that one which would touch no row is refused as well.

create function leasehold.refuse_change() returns trigger
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%.% is append-only: % is refused', tg_table_schema, tg_table_name, tg_op
    using errcode = 'LH004', hint = 'Append a row that says what changed instead.';
end
$$;

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
grant select on leasehold.meta, leasehold.migrations to leasehold_app;
grant select, insert on
  leasehold.runbooks, leasehold.instances, leasehold.executions, leasehold.requests,
  leasehold.claims, leasehold.late_outcomes, leasehold.refusals
  to leasehold_app;
