import type { CommandUser } from '../../src/config/command-settings.ts';
import type { HttpAllow } from '../../src/config/http-allow.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import { parseDurationMs } from '../../src/time/duration.ts';
import { type JsonObject, storableText } from '../../src/json.ts';
import { fillExpectations, judge } from '../../src/runbook/expect.ts';
import { onInterrupt, type Effect, type Expectation } from '../../src/runbook/runbook.ts';
import type { Failpoint } from '../failpoints.ts';
import type { Redaction } from '../secrets/redaction.ts';
import { NO_SECRETS, type Secrets } from '../secrets/secrets.ts';
import type { CellOutcome, EffectContext, EffectRunner, Handler } from './cells.ts';
import { runCommand } from './command.ts';
import type { CommandEnvironment } from './command-env.ts';
import { CommandFolders } from './command-folders.ts';
import { Cancellation } from './cancellation.ts';
import { lacksSecrets } from './effect-secrets.ts';
import { fillEffect } from './fill-effect.ts';
import { runHandler } from './handler.ts';
import { runHttp } from './http.ts';
import {
  messageOf,
  notBegun,
  wrongReplica,
  type Invocation,
  type EffectLimits,
  type InvocationOptions,
} from './invocation.ts';
import { onAbort } from './on-abort.ts';
import { storable } from './output.ts';
import { probeAnswer } from './probe.ts';
import { redactedInvocation } from './redacted-invocation.ts';

/** How to make an effect runner. */
export interface EffectRunnerOptions {
  clock: Clock;
  /** The handlers that `exec: {handler: name}` may name. */
  handlers: Record<string, Handler>;
  /** Where http calls may lead; undefined: anywhere but to local addresses. */
  httpAllow: HttpAllow;
  /** Where commands run; default: the replica's working directory. */
  cwd?: string | undefined;
  /** The replica's environment, of which commands get a few variables; default: `process.env`. */
  env?: NodeJS.ProcessEnv | undefined;
  /** Names of further variables of it that commands get; default: none. */
  commandEnv?: readonly string[] | undefined;
  /** The user that commands run as; default: the replica's. */
  commandUser?: CommandUser | undefined;
  /** What effects may receive, and what is redacted in all they say; default: none. */
  secrets?: Secrets | undefined;
  limits?: Partial<EffectLimits> | undefined;
  logger?: Logger | undefined;
  /** Reached as `in_effect` once an effect has begun. */
  failpoint?: Failpoint | undefined;
}

const LIMITS: EffectLimits = {
  outputBytes: 262_144,
  diagnosticBytes: 4_096,
  graceMs: 2_000,
  timeoutMs: 300_000,
  probeTimeoutMs: 30_000,
};

const MAX_MESSAGE = 1_000;

/** The runner of real effects: handlers, commands and http calls. */
export function createEffectRunner(options: EffectRunnerOptions): EffectRunner {
  const { clock, logger, failpoint, httpAllow, secrets = NO_SECRETS } = options;
  const redaction = (): Redaction => secrets.redaction();
  const secret = (name: string): string | undefined => secrets.value(name);
  const limits: EffectLimits = { ...LIMITS, ...options.limits };
  const handlers = new Map(Object.entries(options.handlers));
  const environment: CommandEnvironment = {
    cwd: options.cwd ?? process.cwd(),
    env: options.env ?? process.env,
    passed: options.commandEnv ?? [],
    user: options.commandUser,
    folders: new CommandFolders(options.commandUser),
  };

  // Each member by name: made by spreading an object, this took 3 % of a busy replica's time.
  const invocationOptions = (
    cancellation: Cancellation,
    outputMode: InvocationOptions['outputMode'],
    onBegun: () => void,
  ): InvocationOptions => ({
    clock,
    limits,
    httpAllow,
    secret,
    redaction,
    cancellation,
    outputMode,
    onBegun,
  });

  // Synchronous up to the spawn, the call, or the first packet: the caller checked its trust just
  // now and relies on it.
  function invoke(
    effect: Effect,
    context: EffectContext,
    how: InvocationOptions,
  ): Invocation | Promise<Invocation> {
    const lacks = lacksSecrets(effect, secrets);
    if (lacks !== undefined) return wrongReplica(lacks.why);
    const { inputs, outputs } = context;
    const filled = fillEffect(effect, { inputs, outputs, secret });
    if (!filled.ok) return notBegun('placeholder', filled.message);
    switch (filled.effect.kind) {
      case 'handler': {
        const handler = handlers.get(filled.effect.name);
        if (handler !== undefined) return runHandler(handler, context, how);
        return wrongReplica(lacksHandler(filled.effect.name));
      }
      case 'command':
        return runCommand(filled.effect.call, context, environment, how);
      case 'http':
        return runHttp(filled.effect.call, context, how);
    }
  }

  return {
    unfitFor(effect) {
      if ('handler' in effect) {
        const { handler } = effect;
        return handlers.has(handler) ? undefined : { why: lacksHandler(handler), handler };
      }
      const lacks = lacksSecrets(effect, secrets);
      if (lacks !== undefined || !('command' in effect)) return lacks;
      const why = environment.folders.problem();
      return why === undefined ? undefined : { why };
    },

    async run(cell, context, signals) {
      const { notCancelled } = signals;
      if (signals.abort.aborted || signals.lease.ended || notCancelled.ended) {
        return { kind: 'unknown', reason: 'aborted', detail: { notBegun: true } };
      }
      const expected = fillExpectations(cell.expect ?? [], context);
      if (!expected.ok)
        return judged(undefined, notBegun('placeholder', expected.message), redaction());
      const cancellation = new Cancellation();
      const startMs = clock.monotonicMs();
      const timeoutMs =
        (cell.timeout === undefined ? undefined : parseDurationMs(cell.timeout)) ??
        limits.timeoutMs;
      const timer = clock.after(timeoutMs, () =>
        cancellation.force('timeout', `not done within ${timeoutMs} ms`),
      );
      const stopped = onAbort(signals.abort, () =>
        cancellation.force('aborted', 'the replica is stopping'),
      );
      const cancelled = notCancelled.onEnd(() =>
        cancellation.force('aborted', 'the instance is being cancelled'),
      );
      const lost = signals.lease.onEnd(() => {
        if (onInterrupt(cell) === 'hold') cancellation.request('aborted', 'the lease was lost');
        else cancellation.force('aborted', 'the lease was lost');
      });

      let reached: Promise<void> | undefined;
      let injected: unknown;
      const onBegun = (): void => {
        if (failpoint === undefined) return;
        const { instanceId, cellId, attempt, requestId } = context;
        reached = failpoint('in_effect', { instanceId, cellId, attempt, requestId }).catch(
          (error: unknown) => {
            injected = error ?? new Error('failpoint');
            cancellation.force('aborted', 'a failpoint failed');
          },
        );
      };
      let invocation: Invocation;
      try {
        const how = invocationOptions(cancellation, cell.output, onBegun);
        invocation = await invoke(cell.exec, context, how);
        if (reached !== undefined) await reached;
      } catch (error) {
        // A fault of the runner itself, after which nothing is known of the effect.
        logger?.warn(
          { err: error, instanceId: context.instanceId, cellId: context.cellId },
          'effect runner failed; the outcome is unknown',
        );
        invocation = { kind: 'unknown', reason: 'crash', detail: { message: messageOf(error) } };
      } finally {
        cancellation.finish();
        timer.cancel();
        stopped();
        cancelled();
        lost();
      }
      if (injected !== undefined) {
        const detail = { ...invocation.detail, message: messageOf(injected) };
        invocation = { kind: 'unknown', reason: 'crash', detail };
      }
      if (invocation.detail['stillRunning'] === true) {
        const { instanceId, cellId, attempt } = context;
        logger?.warn(
          { instanceId, cellId, attempt },
          'a handler ignores its signal and is still running',
        );
      }
      const durationMs = Math.round(clock.monotonicMs() - startMs);
      const timed: Invocation = { ...invocation, detail: { ...invocation.detail, durationMs } };
      const expectations = cell.expect === undefined ? undefined : expected.expectations;
      return judged(expectations, timed, redaction());
    },

    async probe(effect, context, signal) {
      if (signal.aborted)
        return { answer: 'unknown', why: 'the probe was not begun: the replica is stopping' };
      const cancellation = new Cancellation();
      const timer = clock.after(limits.probeTimeoutMs, () => {
        cancellation.force('timeout', `not done within ${limits.probeTimeoutMs} ms`);
      });
      const unwanted = onAbort(signal, () =>
        cancellation.force('aborted', 'the probe is no longer needed'),
      );
      try {
        const how = invocationOptions(cancellation, undefined, () => undefined);
        return probeAnswer(redactedInvocation(await invoke(effect, context, how), redaction()));
      } catch (error) {
        const why = redaction().text(`the probe's runner failed: ${messageOf(error)}`);
        return { answer: 'unknown', why };
      } finally {
        cancellation.finish();
        timer.cancel();
        unwanted();
      }
    },
  };
}

function lacksHandler(name: string): string {
  return `this replica has no handler ${JSON.stringify(name)} (LEASEHOLD_HANDLERS)`;
}

/** The outcome. Nothing that comes out of an effect goes another way. */
function judged(
  expectations: Expectation[] | undefined,
  raw: Invocation,
  redaction: Redaction,
): CellOutcome {
  const invocation = redactedInvocation(raw, redaction);
  const detail: JsonObject = storable(invocation.detail);
  switch (invocation.kind) {
    case 'unknown': {
      const { reason, retryAfterMs } = invocation;
      return { kind: 'unknown', reason, detail: brief(detail), retryAfterMs };
    }
    case 'wrong_replica':
      return { kind: 'wrong_replica', why: storableText(invocation.why), detail };
    case 'not_begun': {
      const error = readable(invocation.error.message, invocation.error.code);
      return { kind: 'failed', class: 'notBegun', error, detail };
    }
    case 'ended':
  }
  const { observed, cancelCause, retryAfterMs } = invocation;
  const judgement = judge(expectations, observed);
  // A predicted failure without an output: its message is what later cells can check.
  const output =
    observed.output === undefined ? { error: storableText(observed.error ?? '') } : observed.output;
  if (judgement.ok === 'unknown') {
    const unverified = { ...detail, message: shortened(judgement.unevaluated.join('; ')) };
    return { kind: 'unverified', class: observed.class, output, detail: unverified };
  }
  if (judgement.ok) return { kind: 'completed', output, detail };
  if (cancelCause !== undefined) return { kind: 'unknown', reason: cancelCause, detail };
  return {
    kind: 'failed',
    class: observed.class,
    error: readable(
      judgement.failed.join('; '),
      expectations === undefined ? invocation.code : 'unexpected',
    ),
    ...(observed.output === undefined ? {} : { output: observed.output }),
    detail,
    retryAfterMs,
  };
}

/** The detail with its message shortened: it may be a whole response. */
function brief(detail: JsonObject): JsonObject {
  const { message } = detail;
  return typeof message === 'string' ? { ...detail, message: shortened(message) } : detail;
}

function readable(message: string, code: string): { message: string; code: string } {
  return { message: shortened(storableText(message)), code };
}

function shortened(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}
