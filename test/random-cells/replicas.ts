import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { MAIN } from '../harness/child-process.ts';

/** A report of a failpoint. */
export interface Reached {
  failpoint: string;
  action: string;
  instanceId: string;
  cellId?: string;
}

/** How to start replicas. */
export interface ReplicasOptions {
  env: NodeJS.ProcessEnv;
  /** A folder for their temporary directories. */
  folder: string;
  /** What Node runs; default: the built command line. */
  argv?: readonly string[] | undefined;
  onReached: (replica: Replica, reached: Reached) => void;
  /** Called with everything that it prints. */
  onLine?: ((line: string) => void) | undefined;
}

const KEPT_LINES = 40;

const run = promisify(execFile);

/** One replica process. */
export class Replica {
  readonly name: string;
  /** Once it is ready. */
  replicaId: string | undefined;
  httpUrl: string | undefined;
  /** Its temporary directory, which nobody else uses. */
  readonly temporary: string;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  /** The newest lines of its log. */
  readonly lines: string[] = [];
  frozen = false;
  isReady = false;
  /** Whether its end is wanted. */
  leaving = false;
  readonly #child: ChildProcess;

  constructor(name: string, env: NodeJS.ProcessEnv, options: ReplicasOptions) {
    this.name = name;
    this.temporary = join(options.folder, `tmp-${name}`);
    mkdirSync(this.temporary, { recursive: true });
    const child = spawn(process.execPath, [...(options.argv ?? [MAIN, 'advancer', '--json'])], {
      env: { ...options.env, LEASEHOLD_REPLICA_NAME: name, TMPDIR: this.temporary, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.exited = new Promise((resolve) => child.once('close', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      onLine(child.stdout, (line) => {
        options.onLine?.(line);
        if (!line.startsWith('{"ready":true')) return;
        Object.assign(this, readyOf(line));
        this.isReady = true;
        resolve();
      });
      void this.exited.then(() =>
        reject(new Error(`replica ${name} ended before it was ready:\n${this.lines.join('\n')}`)),
      );
    });
    // It may be killed before anybody waits for it.
    this.ready.catch(() => undefined);
    onLine(child.stderr, (line) => {
      options.onLine?.(line);
      if (this.lines.push(line) > KEPT_LINES) this.lines.shift();
      if (line.startsWith('{"failpoint":')) options.onReached(this, JSON.parse(line) as Reached);
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Whether it can serve. */
  get able(): boolean {
    return this.running && this.isReady && !this.frozen;
  }

  /** How it ended, in words. */
  get end(): string {
    return this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Takes its temporary directory away for a while. */
  async loseTemporaryDirectory(forMs: number): Promise<void> {
    const away = `${this.temporary}.away`;
    renameSync(this.temporary, away);
    await pause(forMs);
    renameSync(away, this.temporary);
  }

  /** Leaves it no file descriptor that it does not have already, for a while. */
  async starve(forMs: number): Promise<void> {
    const limitOf = async (limit: string): Promise<void> => {
      await run('prlimit', ['--pid', String(this.pid), `--nofile=${limit}`]);
    };
    // New descriptors get the lowest free numbers, and those below the limit only.
    const used = new Set(readdirSync(`/proc/${this.pid}/fd`).map(Number));
    let free = 0;
    while (used.has(free)) free += 1;
    const before = softLimit(this.pid);
    await limitOf(`${free}:`);
    await pause(forMs);
    if (this.running) await limitOf(`${before}:`);
  }
}

function readyOf(line: string): { replicaId: string; httpUrl: string } {
  const { replicaId, httpUrl } = JSON.parse(line) as { replicaId: string; httpUrl: string };
  return { replicaId, httpUrl };
}

/** How many files a process may have open, as it is set now. */
function softLimit(pid: number): string {
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  const found = /^Max open files +(\d+)/m.exec(limits)?.[1];
  if (found === undefined) throw new Error(`/proc/${pid}/limits names no limit of open files`);
  return found;
}

function onLine(stream: NodeJS.ReadableStream | null, listener: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(listener);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
