-- A runbook may have a title, a description and a policy for instances that halt, and its inputs
-- may be an object with a JSON Schema for each name. The digest covers what is there, so runbooks
-- without any of this keep theirs.

alter table leasehold.runbooks
  add column title text,
  add column description text,
  add column on_halt text,
  add constraint runbooks_on_halt_check check (on_halt in ('hold', 'undo')),
  drop constraint runbooks_inputs_check,
  add constraint runbooks_inputs_check check (jsonb_typeof(inputs) in ('array', 'object'));
