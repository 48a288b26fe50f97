import { reportFailure } from './failure.ts';
import { abortOnInterrupt } from './interrupts.ts';
import { Progress } from './render/progress.ts';
import type { Terminal } from './terminal.ts';

/** A tool that runs on a stack it starts itself: what it does, and what it reports at the end. */
export interface StackTool<Result> {
  json: boolean;
  /** The first line, such as where its files go. */
  opening: string;
  /** The line after the first Ctrl-C. */
  stopping?: string;
  /** Aborted by the second Ctrl-C. Without it, the second one ends this process. */
  force?: AbortController;
  run(progress: Progress, stop: AbortSignal): Promise<Result>;
  /** Prints the result. Returns the exit code. */
  report(result: Result): Promise<number>;
}

/**
 * Runs such a tool: shows its progress, stops it on Ctrl-C, and reports a stack that does not
 * start. Returns the exit code.
 */
export async function onOwnStack<Result>(
  terminal: Terminal,
  tool: StackTool<Result>,
): Promise<number> {
  const { json, opening, force } = tool;
  const { stopping = 'stopping... press Ctrl-C again to force' } = tool;
  const progress = new Progress(terminal, 'starting');
  const stop = new AbortController();
  const onStop = (): void => progress.say(stopping);
  const restore = abortOnInterrupt(terminal, { stop, force, onStop });
  progress.say(opening);
  try {
    const result = await tool.run(progress, stop.signal);
    progress.stop();
    return await tool.report(result);
  } catch (error) {
    progress.stop();
    // Known by its name, because the module that throws it may not be loaded.
    if (!(error instanceof Error) || error.name !== 'NoStack') throw error;
    const { message, cause } = error;
    // A setting of the servers is wrong.
    if (cause instanceof Error && cause.name === 'ConfigError') throw cause;
    const lines = [`the stack could not be started: ${message}`];
    return reportFailure(terminal, json, { code: 'unavailable', message, lines });
  } finally {
    restore();
  }
}
