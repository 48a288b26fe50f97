import { join } from 'node:path';

import { Child } from '../stack/child.ts';
import { ownScript } from '../stack/own-script.ts';
import type { Watchdog } from '../stack/watchdog.ts';

/** One effect as the witness saw it: a line of its file. */
export interface WitnessedEffect {
  /** ISO 8601, by the witness's clock. */
  at: string;
  instanceId: string;
  cellId: string;
  /**
   * null where the caller does not send it (an http cell); the token then identifies the attempt.
   */
  attempt: number | null;
  fencingToken: number;
  /** `instance/cell/run` */
  idempotencyKey: string;
  /** The HTTP status it answered; 422 is a refusal, on request. */
  status: number;
  /** The element of a parent's list that the effect is for, if its sender says so. */
  element?: string;
}

/** The witness's process. */
export interface Witness {
  readonly url: string;
  readonly file: string;
  stop(): Promise<void>;
}

/** Starts the witness, which writes `witness-raw.jsonl` to the folder. */
export async function startWitness(dir: string, watchdog: Watchdog): Promise<Witness> {
  const file = join(dir, 'witness-raw.jsonl');
  const child = new Child<{ url: string }>({
    name: 'the witness',
    argv: [...ownScript('witness-main', import.meta.dirname), file],
    env: { PATH: process.env['PATH'] },
    logFile: join(dir, 'witness.log'),
    watchdog,
  });
  const { url } = await child.ready;
  return {
    url,
    file,
    async stop() {
      child.signal('SIGKILL');
      await child.exited;
    },
  };
}
