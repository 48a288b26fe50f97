import { z } from 'zod';

import { Check } from './checks.ts';
import { ATTEMPT_FIELDS, checkPolicy, Undo, type OnInterrupt } from './effect.ts';
import {
  CellId,
  Description,
  JsonValue,
  LonePlaceholder,
  MAX_CHILDREN,
  Moment,
  Name,
  Title,
  Wait,
} from './fields.ts';

/** For people. */
const LABELS = {
  title: Title.optional().describe('A heading for people.'),
  description: Description.optional().describe('What the cell is for.'),
};

const WHEN = {
  when: z
    .array(Check)
    .min(1)
    .optional()
    .describe('The cell is skipped unless all of these hold when its turn comes.'),
};

const UNDO = {
  undo: Undo.optional().describe(
    'What undoes the cell: an effect, or `exec` with the fields of an exec cell.',
  ),
};

/** A cell with a side effect. */
export const ExecCell = z
  .strictObject({ id: CellId, ...LABELS, ...WHEN, ...ATTEMPT_FIELDS, ...UNDO })
  .superRefine(checkPolicy)
  .describe('Has a side effect.');
/** See the schema. */
export type ExecCell = z.infer<typeof ExecCell>;

const Deadline = {
  within: Wait.optional().describe('The deadline, counted from when the cell began to wait.'),
  until: Moment.optional().describe('The deadline, as a moment.'),
};

const ClaimWait = z
  .strictObject({
    claim: z.string().min(1).describe("The claim's id."),
    statuses: z.array(z.string().min(1)).min(1).describe('The statuses that end the wait.'),
    ...Deadline,
    otherwise: z
      .enum(['halt', 'skip'])
      .optional()
      .describe('What follows if the deadline passes first; default halt.'),
  })
  .superRefine(({ within, until, otherwise }, context) => {
    if (within !== undefined && until !== undefined) {
      const message = 'is a second deadline: write either within or until';
      context.addIssue({ code: 'custom', path: ['until'], message });
    }
    if (otherwise !== undefined && within === undefined && until === undefined) {
      const message = 'is only used with a deadline: add within or until';
      context.addIssue({ code: 'custom', path: ['otherwise'], message });
    }
  })
  .describe('Waits until the claim has one of the statuses.');

const PauseFor = z
  .strictObject({ for: Wait.describe('How long.') })
  .describe('Pauses for this long.');

const PauseUntil = z
  .strictObject({ until: Moment.describe('The moment, such as 2030-01-31T09:00:00Z.') })
  .describe('Pauses until this moment.');

/** A cell that waits: for a claim, with or without a deadline, or for time to pass. */
export const AwaitCell = z
  .strictObject({
    id: CellId,
    ...LABELS,
    ...WHEN,
    await: z
      .union([ClaimWait, PauseFor, PauseUntil])
      .describe('What it waits for: a claim, or for time to pass.'),
    ...UNDO,
  })
  .describe('Waits.');
/** See the schema. */
export type AwaitCell = z.infer<typeof AwaitCell>;

/** A cell that checks inputs and earlier outputs; a false check halts the instance. */
export const AssertCell = z
  .strictObject({
    id: CellId,
    ...LABELS,
    ...WHEN,
    assert: z.array(Check).min(1).describe('All of these must hold.'),
  })
  .describe('Checks inputs and earlier outputs; a check that does not hold halts the instance.');
/** See the schema. */
export type AssertCell = z.infer<typeof AssertCell>;

const Elements = z.union(
  [
    z.array(JsonValue).max(MAX_CHILDREN, `must have at most ${MAX_CHILDREN} elements`),
    LonePlaceholder,
  ],
  { error: 'must be a list, or one placeholder that stands for a list' },
);

/** A cell that starts instances of another runbook, and waits until all have ended. */
export const RunCell = z
  .strictObject({
    id: CellId,
    ...LABELS,
    ...WHEN,
    run: z
      .strictObject({
        runbook: Name.describe('The runbook to start.'),
        version: z.int().min(1).max(2_147_483_647).optional().describe('Default: the newest.'),
        each: Elements.optional().describe('A list: one instance is started per element.'),
        inputs: z
          .record(z.string(), JsonValue)
          .optional()
          .describe('The inputs of each instance; ${each} is its element of the list.'),
      })
      .describe('What it starts.'),
    ...UNDO,
  })
  .describe('Starts instances of another runbook, and waits until all have ended.');
/** See the schema. */
export type RunCell = z.infer<typeof RunCell>;

/** A cell of text; it never runs. */
export const ProseCell = z
  .strictObject({ id: CellId, ...LABELS, prose: z.string().describe('The text.') })
  .describe('Text for people; it never runs.');
/** See the schema. */
export type ProseCell = z.infer<typeof ProseCell>;

/** One step of a runbook. */
export type Cell = ExecCell | AwaitCell | AssertCell | RunCell | ProseCell;

/** The types of cells, each the name of the key that a cell of that type has. */
export const CELL_TYPES = ['prose', 'exec', 'await', 'assert', 'run'] as const;
/** See {@link CELL_TYPES}. */
export type CellType = (typeof CELL_TYPES)[number];

/** The schema of each type of cell. */
export const CELL_SCHEMAS = {
  prose: ProseCell,
  exec: ExecCell,
  await: AwaitCell,
  assert: AssertCell,
  run: RunCell,
};

/** The type of a cell. */
export function cellType(cell: Cell): CellType {
  if ('exec' in cell) return 'exec';
  if ('await' in cell) return 'await';
  if ('assert' in cell) return 'assert';
  return 'run' in cell ? 'run' : 'prose';
}

/** The cell's policy for interrupted attempts. */
export function onInterrupt(cell: { onInterrupt?: OnInterrupt | undefined }): OnInterrupt {
  return cell.onInterrupt ?? 'hold';
}
