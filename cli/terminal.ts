import type { Environment } from '../src/config/config.ts';
import { withoutCredentials } from '../src/redaction.ts';

/** The streams, environment and signals that a verb uses: the process's, or a test's. */
export interface Terminal {
  env: Environment;
  /** Prints a result: what a script reads. */
  out(line: string): void;
  /** Prints progress, warnings and errors, for people; without the credentials of URLs. */
  err(line: string): void;
  /** Writes to stderr without a line break; does nothing where stderr is not a terminal. */
  live(text: string): void;
  /** Whether `live` shows anything. */
  liveIsTty: boolean;
  /** Whether to use colours on `out`. */
  color: boolean;
  /** The terminal's width. */
  columns: number;
  /**
   * Calls the listener on Ctrl-C or SIGTERM instead of ending the process. The returned function
   * restores the default.
   */
  onInterrupt(listener: () => void): () => void;
}

/** The streams, environment and signals of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  // `leasehold … | head` is no error: the reader has seen enough.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      throw error;
    });
  }
  const plain = (env['NO_COLOR'] ?? '') !== '';
  return {
    env,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${withoutCredentials(line)}\n`),
    live: (text) => {
      if (stderr.isTTY) stderr.write(text);
    },
    liveIsTty: stderr.isTTY,
    color: stdout.isTTY && !plain && env['TERM'] !== 'dumb',
    columns: stdout.columns ?? 80,
    onInterrupt(listener) {
      const signals = ['SIGINT', 'SIGTERM'] as const;
      for (const signal of signals) process.on(signal, listener);
      return () => {
        for (const signal of signals) process.off(signal, listener);
      };
    },
  };
}

/** Prints a value as one line of JSON. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(JSON.stringify(value));
}
