import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tailOf } from './command.ts';
import type { ServerName } from './server-binary.ts';
import type { UnprivilegedUser } from './unprivileged-user.ts';
import type { Watchdog } from './watchdog.ts';

/** A server that this process started and ends. */
export interface Server {
  readonly name: ServerName;
  /** The server's own process id, no wrapper's; a new one after `restart`. */
  readonly pid: number;
  /** Where it listens; stays the same over `restart`. */
  readonly url: string;
  readonly version: string;
  /** Stops it in order; its data stays. Stopping twice is harmless. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL), as a crash would. */
  kill(): void;
  /**
   * Starts it again after `stop` or `kill` (or stops it first): same port, same data. Ready when it
   * resolves.
   */
  restart(): Promise<void>;
}

export interface ServerSpec {
  readonly name: ServerName;
  readonly version: string;
  readonly url: string;
  readonly command: string;
  readonly argv: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly user?: UnprivilegedUser | undefined;
  readonly cwd: string;
  readonly logFile: string;
  /** Resolves if the server answers, throws if not yet. */
  readonly probe: () => Promise<void>;
  readonly watchdog: Watchdog;
  /** Once it is aborted the server is not started any more. */
  readonly stopping: AbortSignal;
}

/** The server ended, or did not answer in time; the message ends with the tail of its log. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  readonly portIsTaken: boolean;

  constructor(message: string, log: string, cause?: unknown) {
    super(`${message}; the end of its log:\n${tailOf(log)}`, { cause });
    this.portIsTaken = /address already in use/i.test(log);
  }
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const RESTART_PATIENCE_MS = 15_000;

export class ServerProcess implements Server {
  readonly name: ServerName;
  readonly url: string;
  readonly version: string;
  readonly #spec: ServerSpec;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #pid = 0;

  private constructor(spec: ServerSpec) {
    this.#spec = spec;
    this.name = spec.name;
    this.url = spec.url;
    this.version = spec.version;
  }

  /**
   * Starts the server and waits until it answers.
   *
   * @throws ServerStartError
   */
  static async start(spec: ServerSpec): Promise<ServerProcess> {
    const server = new ServerProcess(spec);
    await server.#launch();
    return server;
  }

  get pid(): number {
    return this.#pid;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.ref();
    // SIGINT is what all three take as "stop now, in order"; on SIGTERM Postgres waits for its
    // clients.
    child.kill('SIGCONT');
    child.kill('SIGINT');
    const patience = new AbortController();
    const deadline = sleep(STOP_TIMEOUT_MS, undefined, { signal: patience.signal }).then(
      () => {
        this.kill();
      },
      () => undefined,
    );
    await this.#exited;
    patience.abort();
    await deadline;
  }

  kill(): void {
    const child = this.#child;
    if (child === undefined) return;
    // A killed postmaster leaves its backends to find out by themselves; a crash takes them too.
    const descendants = this.name === 'postgres' ? childrenOf(this.#pid) : [];
    child.kill('SIGKILL');
    for (const pid of descendants) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Already gone.
      }
    }
  }

  async restart(): Promise<void> {
    await this.stop();
    const deadline = performance.now() + RESTART_PATIENCE_MS;
    for (;;) {
      try {
        await this.#launch();
        return;
      } catch (error) {
        // What a killed server leaves behind (a port, shared memory) may take a moment to go.
        if (!(error instanceof ServerStartError) || performance.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  async #launch(): Promise<void> {
    const { command, argv, cwd, env, user, logFile, watchdog, stopping, name } = this.#spec;
    stopping.throwIfAborted();
    const log = await open(logFile, 'w');
    try {
      // No pause between this and the start: a `stop` that comes later finds the process.
      stopping.throwIfAborted();
      const ids = user === undefined ? {} : { uid: user.uid, gid: user.gid };
      // Detached: Ctrl-C reaches the whole foreground group, and the servers must outlive
      // the replicas, which still have leases to give back.
      const options = { cwd, env: serverEnv(env), detached: true, ...ids };
      const child = spawn(command, argv, { ...options, stdio: ['ignore', log.fd, log.fd] });
      this.#exited = new Promise((resolve) => {
        const end = (): void => {
          if (child.pid !== undefined) watchdog.forget(child.pid);
          if (this.#child === child) this.#child = undefined;
          resolve();
        };
        child.once('exit', end);
        child.once('error', end);
      });
      this.#child = child;
      if (child.pid !== undefined) {
        this.#pid = child.pid;
        watchdog.watch(child.pid);
      }
      child.unref();
    } finally {
      await log.close();
    }
    await this.#ready(name);
  }

  async #ready(name: string): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    let problem: unknown;
    while (this.#child !== undefined && performance.now() < deadline) {
      try {
        await this.#spec.probe();
        if (this.isRunning) return;
      } catch (error) {
        problem = error;
        await sleep(20);
      }
    }
    const log = await readFile(this.#spec.logFile, 'utf8').catch(() => '');
    if (!this.isRunning) throw new ServerStartError(`${name} ended while starting`, log, problem);
    this.kill();
    await this.#exited;
    throw new ServerStartError(
      `${name} did not answer within ${START_TIMEOUT_MS / 1000} s`,
      log,
      problem,
    );
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }
}

/** Only what a server needs: it would read settings from `ETCD_*` and `PG*` variables. */
function serverEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: '/', LC_ALL: 'C', ...extra };
}

/** Direct children by /proc; none where there is no such thing. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
