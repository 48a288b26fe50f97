import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Random } from '../../tools/chaos/random.ts';
import { SecretHunt, secretOf } from '../../tools/chaos/secret-hunt.ts';
import { TestCluster, type Servers } from '../harness/replicas.ts';
import { StormReplicas } from '../random-cells/disturbances.ts';
import { Agents } from './agents.ts';
import { checkAll } from './check-all.ts';
import type { Freeze } from './evidence.ts';
import { family, raise, type Family } from './family.ts';
import type { Life } from './life.ts';
import { pushRunbooks } from './push.ts';
import { Receiver } from './receiver.ts';
import type { LivesResult } from './result.ts';
import { SECRET } from './runbook-of.ts';
import { lifeFailpoints } from './storm.ts';
import { pause, Wire } from './wire.ts';

/** How to run random lives. */
export interface LivesOptions {
  /** Of the faults, of the secret, and of what agents draw. */
  seed: number;
  lives: readonly Life[];
  /** How many children the large family has; 0: no families. */
  children: number;
  /** How many small families are cancelled on their way. */
  cancelledFamilies?: number | undefined;
  /** Default: the servers that all tests share. */
  servers?: Servers | undefined;
  /** How many instances are under way at the same time; default 48. */
  atOnce?: number | undefined;
  /** What Node runs as a replica; default: the built command line. */
  replicaArgv?: readonly string[] | undefined;
  /** Called once the database is migrated. */
  afterMigrate?: ((superuserUrl: string) => Promise<void>) | undefined;
  /** Whether replicas are killed and frozen; default true. */
  faults?: boolean | undefined;
  /** How long an instance may take; default 90 s. */
  patienceMs?: number | undefined;
  /** How long it may take to end once nothing is broken any more; default 30 s. */
  settleMs?: number | undefined;
  onProgress?: ((done: number, of: number, phase: string) => void) | undefined;
}

/** Short, so that others take over soon. */
const TTL_S = 2;
const PATIENCE_MS = 90_000;
/** How long before a deadline a holder may be frozen. */
const FREEZE_BEFORE_MS = 250;
const FROZEN_AT_DEADLINES = 0.2;

/** Everything that a run is made of. */
export interface Scene {
  cluster: TestCluster;
  receiver: Receiver;
  wire: Wire;
  agents: Agents;
  storm: StormReplicas;
  hunt: SecretHunt;
  freezes: Freeze[];
  lives: readonly Life[];
  families: readonly Family[];
}

/**
 * Runs the lives of a seed on real replica processes that are killed and frozen meanwhile, and then
 * checks what the world witnessed and agents were told against the log.
 */
export async function runRandomLives(options: LivesOptions): Promise<LivesResult> {
  const { seed, lives } = options;
  const { length: count } = lives;
  const startedMs = performance.now();
  const families = familiesOf(options);
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-random-lives-'));
  const secret = secretOf(seed);
  const cluster = await TestCluster.start({
    ttlS: TTL_S,
    env: {
      LEASEHOLD_HTTP_ALLOW: '127.0.0.0/8',
      LEASEHOLD_LOG_LEVEL: 'debug',
      [`LEASEHOLD_SECRET_${SECRET}`]: secret,
    },
    ...(options.servers !== undefined && { servers: options.servers }),
  });
  let receiver: Receiver | undefined;
  try {
    await options.afterMigrate?.(cluster.servers.superuserUrl);
    const ledger = join(folder, 'ledger');
    await writeFile(ledger, '');
    receiver = await Receiver.start(ledger);
    const hunt = new SecretHunt(secret);
    const freezes: Freeze[] = [];
    const random = new Random(seed);
    const storm = new StormReplicas(
      {
        env: cluster.env,
        folder,
        argv: options.replicaArgv,
        onLine: (line) => hunt.look('a log line', line),
      },
      {
        random: random.fork(),
        failpoints: options.faults === false ? () => '' : lifeFailpoints,
        env: {},
        ttlMs: TTL_S * 1_000,
        strikes: options.faults !== false,
        onThawed({ replicaId = '' }, { failpoint, instanceId, cellId = '' }, fromMs) {
          if (failpoint === 'after_intent')
            freezes.push({ instanceId, cellId, replicaId, fromMs, toMs: Date.now() });
        },
      },
    );
    const wire = new Wire(cluster);
    const runbookIds = await pushRunbooks(cluster, folder, [
      ...lives,
      ...families.flatMap(({ parent, children }) => [parent, ...children.slice(0, 1)]),
    ]);
    const inputs = { receiver: receiver.url, ledger, go: true };
    const agents = new Agents({
      wire,
      receiver,
      random: random.fork(),
      inputsOf: (id) => ({ ...inputs, id }),
      runbookIdOf: ({ instanceId }) => runbookIds.get(instanceId) ?? '',
      onDeadline(holder, dueAtMs) {
        if (options.faults === false || !random.chance(FROZEN_AT_DEADLINES)) return;
        storm.freezeAt(holder, dueAtMs - Date.now() - random.int(0, FREEZE_BEFORE_MS));
      },
      patienceMs: options.patienceMs ?? PATIENCE_MS,
    });
    const scene = { cluster, receiver, wire, agents, storm, hunt, freezes, lives, families };
    const deaf = hunt.listen(
      (subject, hear) =>
        cluster.nats.subscribe(subject, { callback: (_error, message) => hear(message) }),
      cluster.namespace,
    );
    try {
      await storm.start(options.replicaArgv === undefined ? ['a', 'b', 'c'] : ['a', 'b']);
      await liveAll(options, scene, random);
      await storm.calm();
      options.onProgress?.(count, count, 'settling');
      const statuses = await settleAll(scene, random, options.settleMs ?? SETTLE_MS);
      options.onProgress?.(count, count, 'checking');
      return await checkAll(scene, statuses, performance.now() - startedMs);
    } finally {
      deaf();
      await storm.stop();
    }
  } finally {
    await cluster.stop();
    await receiver?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function familiesOf({ children, cancelledFamilies = 0 }: LivesOptions): Family[] {
  if (children === 0) return [];
  const small = Array.from({ length: cancelledFamilies }, (_, nth) =>
    family(`s${nth}`, 3 + (nth % 4), true),
  );
  return [family('f0', children, false), ...small];
}

/** Carries all lives and families to their ends. */
async function liveAll(options: LivesOptions, scene: Scene, random: Random): Promise<void> {
  const { agents, wire, lives, families } = scene;
  const { atOnce = 48, onProgress, patienceMs = PATIENCE_MS } = options;
  let done = 0;
  const raising = families.map((one) => raise(agents, wire, one, random.fork(), patienceMs));
  const waiting = lives[Symbol.iterator]();
  const work = async (): Promise<void> => {
    for (const life of waiting) {
      await agents.live(life);
      onProgress?.((done += 1), lives.length, 'storm');
    }
  };
  await Promise.all([...raising, ...Array.from({ length: atOnce }, work)]);
}

const SETTLE_MS = 30_000;
const ENDS = ['completed', 'cancelled'];

/** Drives what has not ended to its end. @returns the status of each instance */
async function settleAll(
  { agents, wire, lives, families }: Scene,
  random: Random,
  settleMs: number,
): Promise<Map<string, string | undefined>> {
  const statuses = new Map<string, string | undefined>();
  const waiting = [...lives, ...families.flatMap((one) => [one.parent, ...one.children])];
  const work = async (): Promise<void> => {
    for (let life = waiting.pop(); life !== undefined; life = waiting.pop()) {
      const { instanceId } = life;
      const untilMs = performance.now() + settleMs;
      let status = (await wire.status(instanceId))?.status;
      if (status !== undefined && !ENDS.includes(status)) {
        if (life.byParent === true) {
          // Its parent ends it, and is asked to.
          const parent = instanceId.replace(/-c1-\d+$/, '');
          while (!ENDS.includes(status ?? '') && performance.now() < untilMs) {
            await wire.advance(parent, wire.newRequestId(parent));
            await pause(200);
            status = (await wire.status(instanceId))?.status;
          }
        } else {
          await agents.drive(life, random.fork(), untilMs);
          status = (await wire.status(instanceId))?.status;
        }
      }
      statuses.set(instanceId, status);
    }
  };
  await Promise.all(Array.from({ length: 24 }, work));
  return statuses;
}
