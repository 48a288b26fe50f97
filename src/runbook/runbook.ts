import { z } from 'zod';

import { Duration } from '../duration.ts';
import { Id } from '../ids.ts';
import type { Json } from '../json.ts';

const JsonValue: z.ZodType<Json> = z.json();

/** What runs when an exec cell runs; exactly one of the three. */
export const Effect = z.union([
  z.strictObject({ handler: z.string().min(1) }),
  z.strictObject({ command: z.array(z.string()).min(1) }),
  z.strictObject({
    http: z.strictObject({
      method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
      url: z.string().min(1),
      headers: z.record(z.string(), z.string()).optional(),
      body: JsonValue.optional(),
    }),
  }),
]);

/** How an exec cell's effect is carried out. */
export type Effect = z.infer<typeof Effect>;

/** One condition on an outcome; every one of a cell's conditions must hold for `completed`. */
export const Expectation = z.union([
  z.strictObject({ exitCode: z.int().min(0).max(255) }),
  z.strictObject({ status: z.int().min(100).max(599) }),
  z.strictObject({ pointer: z.string(), equals: JsonValue }),
  z.strictObject({ pointer: z.string(), exists: z.boolean() }),
  /** The handler's, the command's or the call's error message contains this text (a predicted failure). */
  z.strictObject({ errorIncludes: z.string().min(1) }),
]);

/** A condition on an exit code, an HTTP status, the output or the error. */
export type Expectation = z.infer<typeof Expectation>;

/** A condition over an earlier cell's output. */
export const Check = z.union([
  z.strictObject({ cell: Id, pointer: z.string(), equals: JsonValue }),
  z.strictObject({ cell: Id, pointer: z.string(), exists: z.boolean() }),
]);

/** One condition of an assert cell. */
export type Check = z.infer<typeof Check>;

/** What becomes of an attempt that was interrupted: wait for a decision, run again, or ask a probe. */
export const OnInterrupt = z.enum(['hold', 'rerun', 'probe']);
/** See the schema. */
export type OnInterrupt = z.infer<typeof OnInterrupt>;

const ExecCellShape = z.strictObject({
  id: Id,
  exec: Effect,
  /** Default: exit code 0, a 2xx answer, or a handler that returned. */
  expect: z.array(Expectation).min(1).optional(),
  /** How long one attempt may take; default 5m. */
  timeout: Duration.optional(),
  /** How often a definite failure is tried in all, and how long to wait in between (doubled each time). */
  retry: z.strictObject({ attempts: z.int().min(1).max(100), backoff: Duration.optional() }).optional(),
  onInterrupt: OnInterrupt.optional(),
  /** The second run that answers whether the effect happened; needed if and only if `onInterrupt` is `probe`. */
  probe: Effect.optional(),
});

/** A cell with a side effect. */
export const ExecCell = ExecCellShape.superRefine((cell, context) => {
  if (cell.onInterrupt === 'probe' && cell.probe === undefined) {
    context.addIssue({ code: 'custom', path: ['probe'], message: 'is needed because onInterrupt is probe' });
  }
  if (cell.onInterrupt !== 'probe' && cell.probe !== undefined) {
    context.addIssue({ code: 'custom', path: ['probe'], message: 'is only used with onInterrupt: probe' });
  }
});
/** See the schema. */
export type ExecCell = z.infer<typeof ExecCell>;

/** A cell that waits until a claim has one of the statuses. The claim's id may hold placeholders. */
export const AwaitCell = z.strictObject({
  id: Id,
  await: z.strictObject({ claim: z.string().min(1), statuses: z.array(z.string().min(1)).min(1) }),
});
/** See the schema. */
export type AwaitCell = z.infer<typeof AwaitCell>;

/** A cell that checks earlier outputs; a false check halts the instance. */
export const AssertCell = z.strictObject({ id: Id, assert: z.array(Check).min(1) });
/** See the schema. */
export type AssertCell = z.infer<typeof AssertCell>;

/** A cell of text; it never runs. */
export const ProseCell = z.strictObject({ id: Id, prose: z.string() });
/** See the schema. */
export type ProseCell = z.infer<typeof ProseCell>;

/** One step of a runbook. */
export type Cell = ExecCell | AwaitCell | AssertCell | ProseCell;

/** The four types of cells, by the key that makes a cell one. */
export type CellType = 'exec' | 'await' | 'assert' | 'prose';

/** A versioned, immutable, ordered list of cells. */
export interface Runbook {
  runbook: string;
  version: number;
  /** Names of the inputs that `start` must give. */
  inputs: string[];
  cells: Cell[];
}

/** The type of a cell. */
export function cellType(cell: Cell): CellType {
  if ('exec' in cell) return 'exec';
  if ('await' in cell) return 'await';
  if ('assert' in cell) return 'assert';
  return 'prose';
}

/** The cell's policy for interrupted attempts. */
export function onInterrupt(cell: ExecCell): OnInterrupt {
  return cell.onInterrupt ?? 'hold';
}
