import { mkdtemp, rm, writeFile, readFile } from 'node:fs/promises';
import { watch, existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createEffectRunner, type EffectRunnerOptions } from '../../../../advancer/cells/runner.ts';
import type {
  CellOutcome,
  EffectContext,
  EffectSignals,
} from '../../../../advancer/cells/cells.ts';
import { ALLOW_EVERYWHERE, parseHttpAllow } from '../../../../src/config/http-allow.ts';
import type { Ends } from '../../../../src/lease/holding.ts';
import { systemClock } from '../../../../src/time/clock.ts';
import type { Effect, ExecCell } from '../../../../src/runbook/runbook.ts';

export const CONTEXT: EffectContext = {
  instanceId: 'i-1',
  cellId: 'charge',
  attempt: 2,
  fencingToken: 4711,
  idempotencyKey: 'i-1/charge/1',
  inputs: { order: 'o-1', count: 3 },
  outputs: { before: { id: 7 } },
};

/** Signals of an attempt, and the acts that fire them. */
export function attempt(): {
  signals: EffectSignals;
  lose: () => void;
  cancel: () => void;
  abort: () => void;
} {
  const lease = new Lasting();
  const notCancelled = new Lasting();
  const abort = new AbortController();
  return {
    signals: { lease, notCancelled, abort: abort.signal },
    lose: () => lease.end(),
    cancel: () => notCancelled.end(),
    abort: () => abort.abort(),
  };
}

class Lasting implements Ends {
  ended = false;
  readonly #listeners = new Set<() => void>();

  onEnd(listener: () => void): () => void {
    if (this.ended) listener();
    else this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  end(): void {
    this.ended = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}

/** An exec cell with these fields, as its author would have written it. */
export function cell(fields: Partial<ExecCell> & { exec: Effect }): ExecCell {
  return { id: 'charge', ...fields };
}

/** A runner over the machine's clock with a short grace. */
export function runnerWith(
  options: Partial<EffectRunnerOptions> = {},
): ReturnType<typeof createEffectRunner> {
  return createEffectRunner({
    clock: systemClock,
    handlers: {},
    httpAllow: parseHttpAllow(ALLOW_EVERYWHERE).entries,
    ...options,
    limits: { graceMs: 300, ...options.limits },
  });
}

/** Runs a cell to its end, with nothing going wrong around it. */
export function run(
  fields: Partial<ExecCell> & { exec: Effect },
  options: Partial<EffectRunnerOptions> = {},
): Promise<CellOutcome> {
  return runnerWith(options).run(cell(fields), CONTEXT, attempt().signals);
}

/** A separate directory for a test, in which it watches for files that its commands write. */
export class Folder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'leasehold-cells-')));
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async script(name: string, text: string): Promise<string> {
    await writeFile(this.file(name), text, { mode: 0o755 });
    return this.file(name);
  }

  read(name: string): Promise<string> {
    return readFile(this.file(name), 'utf8');
  }

  /** Resolves with the file's text once it is there and ends with a line. */
  async written(name: string): Promise<string> {
    const text = (): string =>
      existsSync(this.file(name)) ? readFileSync(this.file(name), 'utf8') : '';
    const watcher = watch(this.path);
    try {
      while (!text().endsWith('\n'))
        await new Promise((resolve) => watcher.once('change', resolve));
    } finally {
      watcher.close();
    }
    return text().trim();
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true });
  }
}

/** Whether a process is there and is not a zombie that merely waits to be reaped. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}
