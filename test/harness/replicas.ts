import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { connect, type NatsConnection } from 'nats';
import { Pool } from 'pg';

import { freshDatabase, freshNamespace, serversForTests } from './servers.ts';

/** The built command line: what a user runs. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How a child process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A real replica process, known by its own pid. */
export class ReplicaProcess {
  readonly name: string;
  readonly replicaId: string;
  readonly pid: number;
  readonly httpUrl: string;
  readonly exited: Promise<Exit>;
  readonly #output: Output;

  constructor(
    ready: { name: string; replicaId: string; pid: number; httpUrl: string },
    child: Child,
  ) {
    this.name = ready.name;
    this.replicaId = ready.replicaId;
    this.pid = ready.pid;
    this.httpUrl = ready.httpUrl;
    this.exited = child.exited;
    this.#output = child.stderr;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#output.text;
  }

  /**
   * Resolves with the report of a failpoint once it is reached (the nth report of that name, from
   * 1).
   */
  async failpointReached(point: string, nth = 1): Promise<Record<string, unknown>> {
    const reports = (): Record<string, unknown>[] =>
      this.#output.lines
        .filter((line) => line.startsWith(`{"failpoint":"${point}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    return this.#output.until(() => reports()[nth - 1]);
  }

  /** Resolves once a line of its log matches. */
  async logged(pattern: RegExp): Promise<string> {
    return this.#output.until(() => this.#output.lines.find((line) => pattern.test(line)));
  }

  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  wake(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  terminate(): void {
    process.kill(this.pid, 'SIGTERM');
  }
}

/** Where a test cluster's servers are; by default the ones that all tests share. */
export interface Servers {
  etcdUrls: readonly string[];
  natsUrls: readonly string[];
  /** A superuser's URL of an empty database. */
  superuserUrl: string;
}

/** What a command printed, and its exit code. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Replicas as processes on real servers, in a namespace and a database of their own. It uses no
 * code of the product but the built command line.
 */
export class TestCluster {
  readonly namespace: string;
  readonly env: NodeJS.ProcessEnv;
  readonly servers: Servers;
  readonly replicas: ReplicaProcess[] = [];
  /** A plain NATS connection. */
  readonly nats: NatsConnection;
  /** Postgres as the application's role. */
  readonly app: Pool;
  /** Postgres as the owner of the schema. */
  readonly owner: Pool;
  readonly #folder: string;
  readonly #children = new Set<Child>();

  private constructor(parts: {
    namespace: string;
    env: NodeJS.ProcessEnv;
    servers: Servers;
    nats: NatsConnection;
    folder: string;
  }) {
    this.namespace = parts.namespace;
    this.env = parts.env;
    this.servers = parts.servers;
    this.nats = parts.nats;
    this.#folder = parts.folder;
    this.app = pool(parts.env['LEASEHOLD_DATABASE_URL']);
    this.owner = pool(parts.env['LEASEHOLD_OWNER_DATABASE_URL']);
  }

  /** Migrates a fresh database, and starts replicas `a`, `b`, … of the given number. */
  static async start(
    options: { replicas?: number; ttlS?: number; env?: NodeJS.ProcessEnv; servers?: Servers } = {},
  ): Promise<TestCluster> {
    const servers = options.servers ?? {
      ...serversForTests(),
      superuserUrl: await freshDatabase(),
    };
    const namespace = freshNamespace();
    const role = (user: string): string => {
      const url = new URL(servers.superuserUrl);
      url.username = user;
      return url.href;
    };
    const env: NodeJS.ProcessEnv = {
      ...inheritedEnv(),
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_ETCD_URLS: servers.etcdUrls.join(','),
      LEASEHOLD_NATS_URLS: servers.natsUrls.join(','),
      LEASEHOLD_DATABASE_URL: role('leasehold_app'),
      LEASEHOLD_OWNER_DATABASE_URL: role('leasehold_owner'),
      LEASEHOLD_LEASE_TTL_S: String(options.ttlS ?? 2),
      ...options.env,
    };
    const nats = await connect({
      servers: [...servers.natsUrls],
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    const folder = await mkdtemp(join(tmpdir(), 'leasehold-test-'));
    const cluster = new TestCluster({ namespace, env, servers, nats, folder });
    const migrated = await cluster.cli(['migrate', '--json'], {
      LEASEHOLD_OWNER_DATABASE_URL: servers.superuserUrl,
    });
    if (migrated.code !== 0) throw new Error(`migrate failed: ${migrated.stderr}`);
    const names = Array.from({ length: options.replicas ?? 0 }, (_, index) =>
      String.fromCharCode(97 + index),
    );
    await Promise.all(names.map((name) => cluster.startReplica(name)));
    return cluster;
  }

  /** Starts one more replica, and waits until it says that it is ready. */
  async startReplica(name: string, env: NodeJS.ProcessEnv = {}): Promise<ReplicaProcess> {
    const child = new Child(['advancer', '--json'], {
      ...this.env,
      LEASEHOLD_REPLICA_NAME: name,
      ...env,
    });
    this.#children.add(child);
    const line = await Promise.race([
      child.stdout.until(() => child.stdout.lines.find((text) => text.startsWith('{'))),
      child.exited.then((exit) => {
        throw new Error(
          `replica ${name} ended before it was ready: ${JSON.stringify(exit)}\n${child.stderr.text}`,
        );
      }),
    ]);
    const ready = JSON.parse(line) as { replicaId: string; pid: number; httpUrl: string };
    const replica = new ReplicaProcess({ name, ...ready }, child);
    this.replicas.push(replica);
    return replica;
  }

  replica(name: string): ReplicaProcess {
    const found = this.replicas.findLast((replica) => replica.name === name);
    if (found === undefined) throw new Error(`there is no replica ${name}`);
    return found;
  }

  /** The replica of an id, as receipts and events name it. */
  byId(replicaId: string | undefined): ReplicaProcess {
    const found = this.replicas.find((replica) => replica.replicaId === replicaId);
    if (found === undefined) throw new Error(`there is no replica ${replicaId}`);
    return found;
  }

  /** Runs the command line to its end. */
  async cli(args: string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const child = new Child(args, { ...this.env, ...env });
    this.#children.add(child);
    const { code } = await child.exited;
    this.#children.delete(child);
    return { code, stdout: child.stdout.text, stderr: child.stderr.text };
  }

  /** Pushes a runbook, given as the content of a file. */
  async pushRunbook(runbook: object): Promise<void> {
    const file = join(this.#folder, `${Math.random().toString(36).slice(2)}.json`);
    await writeFile(file, JSON.stringify(runbook));
    const pushed = await this.cli(['runbook', 'push', file, '--json']);
    if (pushed.code !== 0) throw new Error(`push failed: ${pushed.stdout}${pushed.stderr}`);
  }

  /** The subject of a verb, with what follows it. */
  subject(...parts: string[]): string {
    return ['leasehold', this.namespace, ...parts].join('.');
  }

  /** One plain NATS request; rejects when nobody answers. */
  async request<Reply = Record<string, unknown>>(
    subject: string,
    body: unknown,
    timeoutMs = 60_000,
  ): Promise<Reply> {
    const data =
      typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    const message = await this.nats.request(subject, data, { timeout: timeoutMs });
    return message.json<Reply>();
  }

  start(
    instanceId: string,
    runbookId: string,
    inputs: object = {},
  ): Promise<Record<string, unknown>> {
    return this.request(this.subject('start'), {
      instanceId,
      runbookId,
      inputs,
      agentId: 'tester',
    });
  }

  advance<Reply = ReceiptReply>(
    instanceId: string,
    requestId: string,
    more: object = {},
    timeoutMs = 60_000,
  ): Promise<Reply> {
    return this.request(
      this.subject('advance', instanceId),
      { requestId, agentId: 'tester', ...more },
      timeoutMs,
    );
  }

  status(instanceId: string, more: object = {}): Promise<StatusReply> {
    return this.request(this.subject('status', instanceId), more);
  }

  /** The log of an instance, straight from Postgres. */
  async rows(instanceId: string): Promise<LogRow[]> {
    const found = await this.app.query<LogRow>(
      `select seq::int, fencing_token::float8 as fencing_token, replica_id, kind, cell_id, attempt, request_id, body
         from leasehold.executions where instance_id = $1 order by seq`,
      [instanceId],
    );
    return found.rows;
  }

  /** Ends every process that it started, and disconnects. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.end();
    await Promise.all([...this.#children].map(({ exited }) => exited));
    await Promise.all([this.nats.close(), this.app.end(), this.owner.end()]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A receipt as it comes over the wire. */
export interface ReceiptReply {
  requestId: string;
  instanceId: string;
  outcome: string;
  steps: { seq: number; cellId: string; kind: string; attempt: number }[];
  nextCellId: string | null;
  holder: { replicaId: string; fencingToken: number } | null;
  awaiting?: { cellId: string; claimId: string; statuses: string[]; currentStatus: string | null };
  inFlight?: { cellId: string; attempt: number; requestId: string; since: string };
  inDoubt?: { cellId: string; attempt: number; reason: string; since: string };
  error?: { code: string; message: string; field?: string };
}

/** A status as it comes over the wire. */
export interface StatusReply extends Omit<ReceiptReply, 'outcome' | 'steps' | 'requestId'> {
  runbookId: string;
  version: number;
  status: string;
  lastSeq: number;
  cells: { cellId: string; type: string; state: string; attempt?: number; output?: unknown }[];
  log?: Record<string, unknown>[];
  receipt?: ReceiptReply;
}

/** A row of the log as Postgres gives it. */
export interface LogRow {
  seq: number;
  fencing_token: number;
  replica_id: string;
  kind: string;
  cell_id: string;
  attempt: number;
  request_id: string | null;
  body: Record<string, unknown>;
}

/** Looks until the answer is there; the test's own time-out ends it. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

class Output {
  text = '';
  readonly #listeners = new Set<() => void>();

  constructor(stream: NodeJS.ReadableStream) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
      for (const listener of this.#listeners) listener();
    });
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const listener = (): void => {
        const found = look();
        if (found === undefined) return;
        this.#listeners.delete(listener);
        resolve(found);
      };
      this.#listeners.add(listener);
      listener();
    });
  }
}

class Child {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;

  constructor(args: string[], env: NodeJS.ProcessEnv) {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    this.stdout = new Output(child.stdout);
    this.stderr = new Output(child.stderr);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** SIGKILL works on a stopped process too. */
  end(): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      this.#process.kill('SIGKILL');
  }
}

function inheritedEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('LEASEHOLD_')),
  );
}

function pool(url: string | undefined): Pool {
  const made = new Pool({ connectionString: url, max: 4 });
  // A test that stops the server breaks idle connections; the next query says so.
  made.on('error', () => undefined);
  return made;
}
