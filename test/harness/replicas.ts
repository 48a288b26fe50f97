import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { connect, type ConnectionOptions, type NatsConnection } from 'nats';
import { Pool } from 'pg';

import { freshDatabase, freshNamespace, serversForTests } from './servers.ts';
import { Child } from './child-process.ts';
import { ReplicaProcess } from './replica-process.ts';
import type { LogRow, ReceiptReply, StatusReply } from './replies.ts';

/** Where a test cluster's servers are; by default the ones that all tests share. */
export interface Servers {
  etcdUrls: readonly string[];
  natsUrls: readonly string[];
  /** A superuser's URL of an empty database. */
  superuserUrl: string;
}

interface TestClusterOptions {
  namespace: string;
  env: NodeJS.ProcessEnv;
  servers: Servers;
  nats: NatsConnection;
  folder: string;
}

/** What a command printed, and its exit code. */
export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Replicas as processes on real servers, with a separate namespace and database. It uses no code of
 * the product but the built command line.
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

  private constructor(options: TestClusterOptions) {
    this.namespace = options.namespace;
    this.env = options.env;
    this.servers = options.servers;
    this.nats = options.nats;
    this.#folder = options.folder;
    this.app = pool(options.env['LEASEHOLD_DATABASE_URL']);
    this.owner = pool(options.env['LEASEHOLD_OWNER_DATABASE_URL']);
  }

  /** Migrates a fresh database, and starts replicas `a`, `b`, … of the given number. */
  static async start(
    options: {
      replicas?: number;
      ttlS?: number;
      env?: NodeJS.ProcessEnv;
      servers?: Servers;
      /** How the plain NATS connection logs in. */
      natsLogin?: Pick<ConnectionOptions, 'user' | 'pass' | 'tls'>;
    } = {},
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
      // The receivers of the tests run on this machine.
      LEASEHOLD_HTTP_ALLOW: '127.0.0.1,::1',
      ...options.env,
    };
    const nats = await connect({
      ...options.natsLogin,
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

  /** One plain NATS request; rejects when no reply comes. */
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

/** Polls until there is an answer; the test's own time-out ends it. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
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
