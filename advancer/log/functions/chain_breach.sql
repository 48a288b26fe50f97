-- The chain rule: the code with which a row is refused after `before`, the row at seq - 1 (all
-- nulls: there is none); null when the row is allowed. src/execution/chain.ts states the same rule,
-- and a property test compares the two.
--
-- The cells that undo others have ids that begin with undo-. They begin after `unwinding` or after
-- each other, nowhere else, and have attempts only.
create or replace function leasehold.chain_breach(
  seq bigint, fencing_token bigint, kind text, cell_id text, attempt int, body jsonb,
  before_token bigint, before_kind text, before_cell_id text, before_attempt int, before_body jsonb
) returns text
  language sql immutable
  return case
    when seq = 1 then
      case when attempt = 1 and (kind in ('unwinding', 'cancelled')
          or kind in ('started', 'satisfied', 'refuted', 'skipped')
            and not starts_with(cell_id, 'undo-')) then null
        else 'LH003' end
    when before_kind is null then 'LH001'
    when before_kind = 'cancelled' then 'LH007'
    when fencing_token < before_token then 'LH002'
    when case
      when kind = 'cancelled' then
        cell_id = before_cell_id and attempt = before_attempt and before_kind <> 'started'
      when kind = 'unwinding' then
        cell_id = before_cell_id and attempt = before_attempt
        and before_kind not in ('started', 'interrupted', 'unwinding')
        and not starts_with(before_cell_id, 'undo-')
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
      -- An agent repairs what failed or was refuted.
      when kind = 'decided' then
        cell_id = before_cell_id and attempt = before_attempt
        and (before_kind in ('failed', 'refuted')
          or before_kind = 'decided' and before_body ->> 'as' = 'failed')
        and body ->> 'as' in ('succeeded', 'rerun', 'skipped')
        and jsonb_typeof(body -> 'by') = 'string' and not starts_with(body ->> 'by', '@')
      when before_kind = 'failed'
        or before_kind = 'decided' and before_body ->> 'as' = 'failed' then
        kind = 'started' and cell_id = before_cell_id and attempt = before_attempt::bigint + 1
        -- The effect happened, although the cell failed: there are no retries.
        and not before_body @> '{"happened": true}'
      when before_kind = 'decided' and before_body ->> 'as' = 'rerun' then
        cell_id = before_cell_id and attempt = before_attempt::bigint + 1
        and (kind = 'started'
          or kind in ('satisfied', 'refuted', 'skipped') and not starts_with(cell_id, 'undo-'))
      when before_kind = 'unwinding' then
        kind = 'started' and attempt = 1 and starts_with(cell_id, 'undo-')
      when before_kind in ('completed', 'satisfied', 'skipped', 'decided') then
        cell_id <> before_cell_id and attempt = 1 and case
          when starts_with(before_cell_id, 'undo-')
            then kind = 'started' and starts_with(cell_id, 'undo-')
          else kind in ('started', 'satisfied', 'refuted', 'skipped')
            and not starts_with(cell_id, 'undo-')
          end
      else false
    end then null
    -- A missing value makes the condition null, which allows nothing either.
    else 'LH003'
  end;
