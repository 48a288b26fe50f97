import { EXIT } from './exit-code.ts';
import type { Terminal } from './terminal.ts';

/** What Ctrl-C or SIGTERM aborts. */
export interface InterruptSteps {
  /** The first time: end in an orderly way. */
  stop: AbortController;
  /** The next time: hurry. Without it, the next one ends this process. */
  force?: AbortController | undefined;
  /** Tells the person that the first one was seen. */
  onStop: () => void;
  /** The reason of the abort. Default: an AbortError. */
  reason?: Error;
}

/**
 * Stops at the first Ctrl-C or SIGTERM, and hurries at the next. One more ends this process; its
 * watchdogs then end its child processes.
 *
 * @returns a function that restores what the signals do by default
 */
export function abortOnInterrupt(terminal: Terminal, steps: InterruptSteps): () => void {
  const { stop, force, onStop, reason } = steps;
  return terminal.onInterrupt(() => {
    if (!stop.signal.aborted) {
      onStop();
      stop.abort(reason);
    } else if (force !== undefined && !force.signal.aborted) force.abort();
    else process.exit(EXIT.failure);
  });
}
