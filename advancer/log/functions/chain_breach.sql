-- The chain rule: the code with which a row is refused after `before`, the row at seq - 1 (all
-- nulls: there is none); null when the row is allowed. src/execution/chain.ts states the same rule,
-- and a property test compares the two.
create or replace function leasehold.chain_breach(
  seq bigint, fencing_token bigint, kind text, cell_id text, attempt int, body jsonb,
  before_token bigint, before_kind text, before_cell_id text, before_attempt int, before_body jsonb
) returns text
  language sql immutable
  return case
    when seq = 1 then
      case when kind in ('started', 'satisfied', 'refuted') and attempt = 1 then null
        else 'LH003' end
    when before_kind is null then 'LH001'
    when fencing_token < before_token then 'LH002'
    when case
      when before_kind = 'started' then
        cell_id = before_cell_id and attempt = before_attempt and case
          when kind in ('completed', 'failed') then fencing_token = before_token
          -- Others can find a crash; only the process that opened the attempt can know the rest.
          else kind = 'interrupted' and (body ->> 'reason' = 'crash'
            or fencing_token = before_token
              and body ->> 'reason' in ('timeout', 'aborted', 'not_started', 'unverified'))
          end
      when before_kind = 'interrupted' then
        kind = 'decided' and cell_id = before_cell_id and attempt = before_attempt and case
          when before_body ->> 'reason' = 'not_started' then body ->> 'as' = 'rerun'
          -- The effect happened: nobody can decide that its next attempt is a new one.
          when before_body @> '{"happened": true}' and body ->> 'as' = 'failed'
            then body @> '{"happened": true}'
          else body ->> 'as' in ('succeeded', 'failed', 'rerun', 'skipped')
          end
      when before_kind = 'failed'
        or before_kind = 'decided' and before_body ->> 'as' in ('rerun', 'failed') then
        kind = 'started' and cell_id = before_cell_id and attempt = before_attempt::bigint + 1
        -- The effect happened, although the cell failed: there are no retries.
        and not (before_body @> '{"happened": true}'
          and (before_kind = 'failed' or before_body ->> 'as' = 'failed'))
      when before_kind in ('completed', 'satisfied', 'decided') then
        kind in ('started', 'satisfied', 'refuted') and cell_id <> before_cell_id and attempt = 1
      else false
    end then null
    -- A missing value makes the condition null, which allows nothing either.
    else 'LH003'
  end;
