-- Refuses the isolation levels under which the guard would be blind (25000): guard_executions.sql
-- says why, under "Locks".
create or replace function leasehold.require_read_committed() returns void
  language plpgsql stable
as $$
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'the log is written under READ COMMITTED only, not %',
      current_setting('transaction_isolation')
      using errcode = '25000', hint = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED.';
  end if;
end
$$;
