-- requires: adopt_transaction_ids

-- Each row keeps the id of the transaction that appended it, so that a reader of the whole log can
-- say exactly which transactions it has seen: all below one id, except those that were still open.
-- A row that is committed late, after others with higher ids, is then not missed. Rows from before
-- this migration have none.

-- In which Postgres cluster the ids were assigned.
alter table leasehold.meta add column system_identifier bigint;

select leasehold.adopt_transaction_ids();
