import type { Environment } from '../src/config/config.ts';

/** What the command line needs of its surroundings; the process's own, or a test's. */
export interface Io {
  env: Environment;
  /** Results: what a script reads. */
  out(line: string): void;
  /** What is for people while they wait, and what went wrong. */
  err(line: string): void;
  /**
   * Writes to the terminal without a line break; nothing is written where stderr is no terminal.
   */
  live(text: string): void;
  /** Whether `out` is read by a person. */
  outIsTty: boolean;
  /** Whether `live` shows anything. */
  liveIsTty: boolean;
  /** Whether colours are wanted on `out`. */
  color: boolean;
  /** Columns of the terminal. */
  columns: number;
  /** Calls back at Ctrl-C or SIGTERM, in place of ending; the returned function restores. */
  onInterrupt(listener: () => void): () => void;
}

/** The process's own surroundings. */
export function processIo(): Io {
  const { stdout, stderr, env } = process;
  // `leasehold … | head` is no error: whoever reads has seen enough.
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
    err: (line) => void stderr.write(`${line}\n`),
    live: (text) => {
      if (stderr.isTTY) stderr.write(text);
    },
    outIsTty: stdout.isTTY,
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
