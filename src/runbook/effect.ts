import { z } from 'zod';

import { Duration } from '../time/duration.ts';
import { JsonValue, Pointer } from './fields.ts';

const Statuses = z.array(z.int().min(100).max(599)).min(1);
const ExitCodes = z.array(z.int().min(0).max(255)).min(1);

const HandlerEffect = z
  .strictObject({
    handler: z.string().min(1).describe('The name of a handler that the replicas register.'),
  })
  .describe('Calls a TypeScript handler.');

const CommandEffect = z
  .strictObject({
    command: z
      .array(z.string())
      .min(1)
      .describe('The program and its arguments. There is no shell.'),
    env: z
      .record(z.string(), z.string())
      .optional()
      .describe("Variables that the command gets besides the replica's few and the attempt's."),
    cwd: z
      .string()
      .min(1)
      .optional()
      .describe("Where it runs; a relative path starts at the replica's directory."),
    stdin: JsonValue.optional().describe(
      'What it reads on stdin: text as it is, any other value as JSON. ' +
        'Default: {"inputs": …, "outputs": …}.',
    ),
    refusedExitCodes: ExitCodes.optional().describe(
      'Exit codes that mean that the effect was refused.',
    ),
    unknownExitCodes: ExitCodes.optional().describe(
      'Exit codes that do not tell whether the effect happened.',
    ),
  })
  .describe('Runs a program.');

const HttpEffect = z
  .strictObject({
    http: z
      .strictObject({
        method: z
          .enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])
          .default('POST')
          .describe('Default: POST.'),
        url: z.string().min(1).describe('Where to send it; values are filled in by position.'),
        headers: z.record(z.string(), z.string()).optional().describe('Headers to send.'),
        body: JsonValue.optional().describe('Sent as JSON.'),
        refused: Statuses.optional().describe('Statuses that mean that the effect was refused.'),
        notBegun: Statuses.optional().describe('Statuses that mean that nothing was begun.'),
        unknown: Statuses.optional().describe(
          'Statuses that do not tell whether the effect happened.',
        ),
      })
      .describe('The call.'),
  })
  .describe('Makes an HTTP call.');

const EFFECTS = [HandlerEffect, CommandEffect, HttpEffect] as const;

/** What an exec cell runs: exactly one of the three. */
export const Effect = z.union(EFFECTS);
/** What an exec cell runs. */
export type Effect = z.infer<typeof Effect>;

/** One condition on an outcome; every one of a cell's conditions must hold for `completed`. */
export const Expectation = z.union([
  z.strictObject({ exitCode: z.int().min(0).max(255).describe("The command's exit code.") }),
  z.strictObject({ status: z.int().min(100).max(599).describe("The answer's HTTP status.") }),
  z.strictObject({
    pointer: Pointer.describe('A JSON pointer into the output.'),
    equals: JsonValue.describe('What the value there is.'),
  }),
  z.strictObject({
    pointer: Pointer.describe('A JSON pointer into the output.'),
    exists: z.boolean().describe('Whether there is a value.'),
  }),
  z.strictObject({
    errorIncludes: z
      .string()
      .min(1)
      .describe('A text in the error of the handler, command or http call: a predicted failure.'),
  }),
]);
/** A condition on an exit code, an HTTP status, the output or the error. */
export type Expectation = z.infer<typeof Expectation>;

/** What follows an interrupted attempt: wait for a decision, run it again, or run a probe. */
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

/**
 * How many attempts in all after definite failures, and how long to wait in between; the wait also
 * holds before an attempt that repeats an interrupted one.
 */
const Retry = z.strictObject({
  attempts: z.int().min(1).max(100).describe('How many attempts in all.'),
  backoff: Duration.optional().describe('The wait before the first retry; default 200ms.'),
  maxBackoff: Duration.optional().describe(
    'The longest wait; default 60s, or the first wait if that is longer.',
  ),
  factor: z.number().min(1).max(100).optional().describe('Each wait is this many times the last.'),
  jitter: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Shortens each wait by up to this share of it; default 0.'),
});

/** The fields of an effect that is run as attempts: of an exec cell, and of an undo. */
export const ATTEMPT_FIELDS = {
  exec: Effect.describe('What it runs: a handler, a command or an http call.'),
  output: OutputMode.optional().describe(
    'How what it printed or answered is read; not with a handler, which returns its output.',
  ),
  expect: z
    .array(Expectation)
    .min(1)
    .optional()
    .describe('All of these must hold. Default: the effect succeeded.'),
  timeout: Duration.optional().describe('How long one attempt may take; default 5m.'),
  retry: Retry.optional().describe('How often to try again after definite failures; default: not.'),
  onInterrupt: OnInterrupt.optional().describe(
    'What follows an attempt whose outcome is unknown; default hold: a person decides.',
  ),
  probe: Effect.optional().describe(
    'Finds out whether the effect happened; required if onInterrupt is probe.',
  ),
};

/** A probe is required if and only if the policy is to run it. */
export function checkPolicy(
  { onInterrupt, probe }: { onInterrupt?: OnInterrupt | undefined; probe?: Effect | undefined },
  context: z.RefinementCtx,
): void {
  const message =
    onInterrupt === 'probe' && probe === undefined
      ? 'is required because onInterrupt is probe'
      : onInterrupt !== 'probe' && probe !== undefined
        ? 'is only used with onInterrupt: probe'
        : undefined;
  if (message !== undefined) context.addIssue({ code: 'custom', path: ['probe'], message });
}

/** An effect that undoes a cell, alone or with the fields of an exec cell. */
export const Undo = z.union([...EFFECTS, z.strictObject(ATTEMPT_FIELDS).superRefine(checkPolicy)]);
/** See the schema. */
export type Undo = z.infer<typeof Undo>;

/** Whether an undo is an effect alone. */
export function isEffect(undo: Undo): undo is Effect {
  return !('exec' in undo);
}
