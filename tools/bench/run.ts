import { setMaxListeners } from 'node:events';

import { errorText } from '../../src/error-text.ts';
import { BrokenOff } from './events.ts';
import type { BenchEvent, Progress } from './events.ts';
import type { Figure } from './figure.ts';
import { judged } from './judge.ts';
import type { BenchOptions } from './options.ts';
import type { BenchPorts } from './ports.ts';
import { commandOf, surroundings } from './record.ts';
import type { BenchRecord } from './record.ts';
import { scenariosOf } from './scenarios.ts';
import { Stage } from './stage.ts';

/** What a run needs of whoever called it. */
export interface BenchHooks {
  ports: BenchPorts;
  tell: (event: BenchEvent) => void;
  /** Breaks the run off; the record has what was measured until then. */
  stop: AbortSignal;
}

/** The stack could not be brought up. */
class NoStack extends Error {
  override readonly name = 'NoStack';
}

/**
 * One run: brings a stack up, measures scenario after scenario, and sets the figures against the
 * floor. What goes wrong in the measuring is in the record: the figures until then are still worth
 * something.
 *
 * @throws NoStack
 */
export async function runBench(options: BenchOptions, hooks: BenchHooks): Promise<BenchRecord> {
  const { ports, tell, stop } = hooks;
  setMaxListeners(0, stop);
  const startedAt = new Date().toISOString();
  const beganMs = performance.now();
  const figures: Figure[] = [];
  const progress: Progress = {
    tell,
    note: (text) => tell({ kind: 'note', text }),
    figure(figure) {
      figures.push(figure);
      tell({ kind: 'figure', figure });
    },
    stop,
  };
  const stage = await Stage.set(options, ports, (text) => progress.note(text)).catch(
    (cause: unknown) => {
      throw new NoStack(errorText(cause), { cause });
    },
  );
  // Whatever is under way ends with its processes.
  const breakOff = (): void => void stage.stop();
  stop.addEventListener('abort', breakOff, { once: true });
  try {
    const around = await surroundings(stage.servers);
    const failures: BenchRecord['failures'] = [];
    for (const scenario of scenariosOf(options)) {
      if (stop.aborted) break;
      tell({ kind: 'scenario', name: scenario.name, text: scenario.text });
      try {
        await scenario.run(stage, options, progress);
      } catch (error) {
        if (stop.aborted || error instanceof BrokenOff) break;
        const why = errorText(error);
        failures.push({ scenario: scenario.name, why });
        tell({ kind: 'failure', scenario: scenario.name, why });
      }
      await stage.clear();
    }
    return {
      format: 1,
      startedAt,
      durationMs: Math.round(performance.now() - beganMs),
      command: commandOf(options),
      ended: stop.aborted ? 'broken_off' : failures.length > 0 ? 'failed' : 'complete',
      failures,
      ...around,
      figures: judged(figures),
    };
  } finally {
    stop.removeEventListener('abort', breakOff);
    await stage.stop();
  }
}
