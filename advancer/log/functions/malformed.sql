-- The first column of a row that holds a value it may not; null when there is none. A seq below 1
-- is a gap, which the chain rule refuses, and so is one that is too large. A token above 2^53 - 1
-- is not exact as a JSON number: two readers would see two different tokens.
create or replace function leasehold.malformed(
  instance_id text, fencing_token bigint, kind text, cell_id text, attempt int, request_id text,
  body jsonb
) returns text
  language sql immutable
  return case
    when not leasehold.is_id(instance_id) then 'instance_id'
    when fencing_token not between 1 and 9007199254740991 then 'fencing_token'
    when kind not in (
      'started', 'completed', 'failed', 'interrupted', 'decided', 'satisfied', 'refuted',
      'skipped', 'unwinding', 'cancelled'
    ) then 'kind'
    when not leasehold.is_id(cell_id) then 'cell_id'
    when attempt < 1 then 'attempt'
    when not leasehold.is_id(request_id) then 'request_id'
    when jsonb_typeof(body) <> 'object' then 'body'
  end;
