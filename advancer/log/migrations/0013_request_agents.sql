-- A receipt records which agent sent its request; null where nobody can tell, and for receipts of
-- earlier releases. No index: an ordinary append would have to keep it.
alter table leasehold.requests add column agent_id text;
