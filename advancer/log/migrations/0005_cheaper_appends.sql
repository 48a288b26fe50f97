-- What an append need not do.

-- An outcome has the token of its intent, so that the highest token is found without the outcomes.
drop index leasehold.executions_by_token;
create index executions_by_token on leasehold.executions (fencing_token) where kind not in ('completed', 'failed');

-- Postgres prepares a table's own constraints anew for every statement, which for a line takes longer than writing it. The
-- projection may be wrong without harm, and an audit says when it is.
alter table leasehold_projection.instances drop constraint instances_status_check;

-- A line that only its instance's seq and next cell change in stays on its page, and then no index is touched.
alter table leasehold_projection.instances set (fillfactor = 85);
