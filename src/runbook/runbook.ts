import { z } from 'zod';

import { Duration } from '../time/duration.ts';
import { Id } from '../ids.ts';
import type { Json } from '../json.ts';
import { pointerFault } from './pointer.ts';

const JsonValue: z.ZodType<Json> = z.json();

/**
 * A name that becomes a key of inputs or outputs: an id, but not `__proto__`, which is special in
 * JavaScript.
 */
const Name = Id.refine((text) => text !== '__proto__', 'must not be __proto__');

const Pointer = z.string().superRefine((text, context) => {
  const fault = pointerFault(text);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

const Statuses = z.array(z.int().min(100).max(599)).min(1);
const ExitCodes = z.array(z.int().min(0).max(255)).min(1);

/** What an exec cell runs: exactly one of the three. */
export const Effect = z.union([
  z.strictObject({ handler: z.string().min(1) }),
  z.strictObject({
    command: z.array(z.string()).min(1),
    /** Variables that the command gets besides the replica's few and the attempt's. */
    env: z.record(z.string(), z.string()).optional(),
    /** Where it runs; a relative path starts at the replica's directory, which is the default. */
    cwd: z.string().min(1).optional(),
    /** Exit codes that mean that the effect was refused. */
    refusedExitCodes: ExitCodes.optional(),
    /** Exit codes that do not tell whether the effect happened. */
    unknownExitCodes: ExitCodes.optional(),
  }),
  z.strictObject({
    http: z.strictObject({
      method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('POST'),
      url: z.string().min(1),
      headers: z.record(z.string(), z.string()).optional(),
      body: JsonValue.optional(),
      /** Statuses that mean that the effect was refused. */
      refused: Statuses.optional(),
      /** Statuses that mean that nothing was begun. */
      notBegun: Statuses.optional(),
      /** Statuses that do not tell whether the effect happened. */
      unknown: Statuses.optional(),
    }),
  }),
]);

/** What an exec cell runs. */
export type Effect = z.infer<typeof Effect>;

/** One condition on an outcome; every one of a cell's conditions must hold for `completed`. */
export const Expectation = z.union([
  z.strictObject({ exitCode: z.int().min(0).max(255) }),
  z.strictObject({ status: z.int().min(100).max(599) }),
  z.strictObject({ pointer: Pointer, equals: JsonValue }),
  z.strictObject({ pointer: Pointer, exists: z.boolean() }),
  /**
   * The error message of the handler, command or http call contains this text (a predicted
   * failure).
   */
  z.strictObject({ errorIncludes: z.string().min(1) }),
]);

/** A condition on an exit code, an HTTP status, the output or the error. */
export type Expectation = z.infer<typeof Expectation>;

/** A condition over an earlier cell's output. */
export const Check = z.union([
  z.strictObject({ cell: Name, pointer: Pointer, equals: JsonValue }),
  z.strictObject({ cell: Name, pointer: Pointer, exists: z.boolean() }),
]);

/** One condition of an assert cell. */
export type Check = z.infer<typeof Check>;

/**
 * What follows an interrupted attempt: wait for a decision, run it again, or run a probe.
 */
export const OnInterrupt = z.enum(['hold', 'rerun', 'probe']);
/** See the schema. */
export type OnInterrupt = z.infer<typeof OnInterrupt>;

/**
 * How the text that an effect printed or answered becomes its output. Default: an object or an
 * array in JSON is read as JSON, everything else is kept as text.
 */
export const OutputMode = z.enum(['json', 'text']);
/** See the schema. */
export type OutputMode = z.infer<typeof OutputMode>;

const ExecCellShape = z.strictObject({
  id: Name,
  exec: Effect,
  /** Not with a handler, whose output is the value it returns. */
  output: OutputMode.optional(),
  /** Default: the effect succeeded (exit code 0, a 2xx status, or a handler that returned). */
  expect: z.array(Expectation).min(1).optional(),
  /** How long one attempt may take; default 5m. */
  timeout: Duration.optional(),
  /**
   * How many attempts in all after definite failures, and how long to wait in between (doubled each
   * time); the wait also holds before an attempt that repeats an interrupted one.
   */
  retry: z
    .strictObject({ attempts: z.int().min(1).max(100), backoff: Duration.optional() })
    .optional(),
  onInterrupt: OnInterrupt.optional(),
  /**
   * What to run to find out whether the effect happened; required if and only if `onInterrupt` is
   * `probe`.
   */
  probe: Effect.optional(),
});

/** A cell with a side effect. */
export const ExecCell = ExecCellShape.superRefine((cell, context) => {
  if (cell.onInterrupt === 'probe' && cell.probe === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['probe'],
      message: 'is required because onInterrupt is probe',
    });
  }
  if (cell.onInterrupt !== 'probe' && cell.probe !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['probe'],
      message: 'is only used with onInterrupt: probe',
    });
  }
});
/** See the schema. */
export type ExecCell = z.infer<typeof ExecCell>;

/**
 * A cell that waits until a claim has one of the statuses. The claim's id may contain placeholders.
 */
export const AwaitCell = z.strictObject({
  id: Name,
  await: z.strictObject({ claim: z.string().min(1), statuses: z.array(z.string().min(1)).min(1) }),
});
/** See the schema. */
export type AwaitCell = z.infer<typeof AwaitCell>;

/** A cell that checks earlier outputs; a false check halts the instance. */
export const AssertCell = z.strictObject({ id: Name, assert: z.array(Check).min(1) });
/** See the schema. */
export type AssertCell = z.infer<typeof AssertCell>;

/** A cell of text; it never runs. */
export const ProseCell = z.strictObject({ id: Name, prose: z.string() });
/** See the schema. */
export type ProseCell = z.infer<typeof ProseCell>;

/** One step of a runbook. */
export type Cell = ExecCell | AwaitCell | AssertCell | ProseCell;

/** The four types of cells, each the name of the key that a cell of that type has. */
export type CellType = 'exec' | 'await' | 'assert' | 'prose';

/**
 * A runbook's own fields; its cells are parsed one by one, so that each error can name its cell.
 */
export const RunbookHead = z.strictObject({
  runbook: Name,
  version: z.int().min(1).max(2_147_483_647),
  inputs: z.array(Name).default([]),
  cells: z.array(z.unknown()).min(1),
});

/** The types of cells. */
export const CELL_TYPES = ['prose', 'exec', 'await', 'assert'] as const;

/** The schema of each type of cell. */
export const CELL_SCHEMAS = {
  prose: ProseCell,
  exec: ExecCell,
  await: AwaitCell,
  assert: AssertCell,
};

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
