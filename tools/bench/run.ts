import { setMaxListeners } from 'node:events';

import { errorText } from '../../src/error-text.ts';
import { BenchStack } from './bench-stack.ts';
import type { BenchStackOptions } from './bench-stack.ts';
import { evaluateFigures } from './evaluate.ts';
import { Interrupted } from './events.ts';
import type { BenchEvent, Progress } from './events.ts';
import type { Figure } from './figure.ts';
import type { BenchOptions } from './options.ts';
import { commandOf, describeEnvironment } from './record.ts';
import type { BenchRecord } from './record.ts';
import { scenariosOf } from './scenarios.ts';

/** How a caller follows and stops a run. */
export interface BenchHooks {
  onEvent: (event: BenchEvent) => void;
  /** Interrupts the run; the record has what was measured until then. */
  stop: AbortSignal;
}

/** The stack did not start. */
class NoStack extends Error {
  override readonly name = 'NoStack';
}

/**
 * One run: starts a stack, measures one scenario after another, and compares the figures with the
 * floor. A failure in a scenario goes into the record, because the figures measured before it stay
 * valid.
 *
 * @throws NoStack
 */
export async function runBench(
  options: BenchOptions,
  { onEvent, stop }: BenchHooks,
): Promise<BenchRecord> {
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  const figures: Figure[] = [];
  const progress: Progress = {
    note: (text) => onEvent({ kind: 'note', text }),
    figure(figure) {
      figures.push(figure);
      onEvent({ kind: 'figure', figure });
    },
    stop,
  };
  return withStack(options, progress, async (stack) => {
    const environment = await describeEnvironment(stack.servers);
    const failures: BenchRecord['failures'] = [];
    for (const scenario of scenariosOf(options)) {
      if (stop.aborted) break;
      onEvent({ kind: 'scenario', name: scenario.name, text: scenario.text });
      try {
        await scenario.run(stack, options, progress);
      } catch (error) {
        if (stop.aborted || error instanceof Interrupted) break;
        const why = errorText(error);
        failures.push({ scenario: scenario.name, why });
        onEvent({ kind: 'failure', scenario: scenario.name, why });
      }
      await stack.clear();
    }
    return {
      format: 1,
      startedAt,
      durationMs: Math.round(performance.now() - beganMs),
      command: commandOf(options),
      ended: stop.aborted ? 'broken_off' : failures.length > 0 ? 'failed' : 'complete',
      failures,
      ...environment,
      figures: evaluateFigures(figures),
    };
  });
}

/**
 * Runs `use` on a stack, and ends every process of the stack when `use` or the signal says so.
 *
 * @throws NoStack
 */
export async function withStack<T>(
  options: BenchStackOptions,
  { note, stop }: Pick<Progress, 'note' | 'stop'>,
  use: (stack: BenchStack) => Promise<T>,
): Promise<T> {
  setMaxListeners(0, stop);
  const stack = await BenchStack.start(options, note).catch((cause: unknown) => {
    throw new NoStack(errorText(cause), { cause });
  });
  // What is under way fails once its processes are gone.
  const interrupt = (): void => void stack.stop();
  stop.addEventListener('abort', interrupt, { once: true });
  try {
    return await use(stack);
  } finally {
    stop.removeEventListener('abort', interrupt);
    await stack.stop();
  }
}
