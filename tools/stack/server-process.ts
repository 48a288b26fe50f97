import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { tailOf } from './command.ts';
import type { ServerName } from './server-binary.ts';
import type { MachineUser } from '../../src/reachable.ts';
import type { Watchdog } from './watchdog.ts';

/** A server that this process started and stops. */
export interface Server {
  readonly name: ServerName;
  /** The process id of the server itself, not of a wrapper; it changes with `restart`. */
  readonly pid: number;
  /** Where it listens; `restart` keeps it. */
  readonly url: string;
  readonly version: string;
  /** Stops it cleanly and keeps its data. Calling it twice is harmless. */
  stop(): Promise<void>;
  /** Kills it with SIGKILL, as a crash does. */
  kill(): void;
  /**
   * Starts it again with the same port and data, and stops it first if it runs. Resolves when the
   * server is ready.
   */
  restart(): Promise<void>;
}

/** How to start a server. */
export interface ServerProcessOptions {
  readonly name: ServerName;
  readonly version: string;
  readonly url: string;
  readonly command: string;
  readonly argv: readonly string[];
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly user?: MachineUser | undefined;
  readonly cwd: string;
  readonly logFile: string;
  /** Resolves if the server answers, and rejects if it does not yet. */
  readonly probe: () => Promise<void>;
  readonly watchdog: Watchdog;
  /** Once aborted, the server is never started again. */
  readonly stopping: AbortSignal;
}

/** The server exited or did not answer in time. The message has the end of its log. */
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
  readonly #options: ServerProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #pid = 0;

  private constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.url = options.url;
    this.version = options.version;
  }

  /**
   * Starts the server and waits until it answers.
   *
   * @throws ServerStartError
   */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(options);
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
    // All three servers stop promptly and cleanly on SIGINT; on SIGTERM Postgres waits for its
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
    // Backends outlive a killed postmaster until they notice; a real crash ends them as well.
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
        // A killed server's port and shared memory may take a moment to be freed.
        if (!(error instanceof ServerStartError) || performance.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  async #launch(): Promise<void> {
    const { command, argv, cwd, env, user, logFile, watchdog, stopping, name } = this.#options;
    stopping.throwIfAborted();
    const log = await open(logFile, 'w');
    try {
      // No await between this and the start, so that a later `stop` finds the process.
      stopping.throwIfAborted();
      const ids = user === undefined ? {} : { uid: user.uid, gid: user.gid };
      // Detached, because Ctrl-C goes to the whole foreground process group, and the servers must
      // outlive the replicas, which still release their leases.
      const settings = { cwd, env: serverEnv(env), detached: true, ...ids };
      const child = spawn(command, argv, { ...settings, stdio: ['ignore', log.fd, log.fd] });
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
        await this.#options.probe();
        if (this.isRunning) return;
      } catch (error) {
        problem = error;
        await sleep(20);
      }
    }
    const log = await readFile(this.#options.logFile, 'utf8').catch(() => '');
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

/** Nothing else of our environment: servers read settings from `ETCD_*` and `PG*` variables. */
function serverEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: '/', LC_ALL: 'C', ...extra };
}

/** The direct children, from /proc; none on systems without it. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
