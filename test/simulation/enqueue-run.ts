import { Random } from '../../tools/chaos/random.ts';
import type { RequestStream } from '../../src/bus/request-stream.ts';
import type { Json } from '../../src/json.ts';
import { breaches, type Breach } from './checker.ts';
import { Cluster } from './cluster.ts';
import { CallLost } from './network.ts';
import { planSchedule, type Planned } from './schedule.ts';
import { SimStream, STREAM_CALLS } from './sim-stream.ts';
import { Workload } from './workload.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/*
 * Enqueued requests in the simulated world: agents that store them and are gone, and replicas, with
 * faults at every call, that of the stream included.
 */

/** How one seed went. */
export interface EnqueueResult {
  breaches: Breach[];
  /** How many requests the stream has acknowledged. */
  acknowledged: number;
  /** What their receipts say, and how often. */
  outcomes: Map<string, number>;
  redelivered: number;
  effects: number;
  trace: string[];
}

/** How a run differs from the product; for negative controls. */
export interface EnqueueOptions {
  /** Changes the stream as a replica sees it. */
  stream?: (stream: RequestStream) => RequestStream;
  prepare?: (stream: SimStream) => void;
  /** How long everything may take to be settled once nothing is broken any more. */
  settleWithinMs?: number;
}

const REQUESTS = 16;
const OVER_MS = 14_000;
const SIZE = { requests: 0, faults: 4, traps: 2, instances: 3, overMs: OVER_MS };
const STREAM_TRAPS = 3;

/** Stored requests, as their agents know them. */
class Agents {
  readonly acknowledged: { requestId: string; instanceId: string }[] = [];
  readonly #cluster: Cluster;
  readonly #stream: SimStream;
  readonly #process: SimProcess;

  constructor(cluster: Cluster, stream: SimStream) {
    this.#cluster = cluster;
    this.#stream = stream;
    this.#process = new SimProcess(cluster.world, 'enqueuer');
  }

  /** Sends it until it is acknowledged; every replica may see it meanwhile. */
  async enqueue(instanceId: string, requestId: string, more: { [field: string]: Json }) {
    const { network, nats, subjects, world } = this.#cluster;
    const subject = subjects.enqueue(instanceId);
    const body: Json = { requestId, agentId: 'agent', ...more };
    const data = new TextEncoder().encode(JSON.stringify(body));
    const bus = nats.bus(this.#process);
    for (;;) {
      bus.publish(subject, body);
      try {
        const how = { name: 'store', timeoutMs: 1_000 };
        await network.call(this.#process, 'nats', how, () => this.#stream.store(subject, data));
        this.acknowledged.push({ requestId, instanceId });
        world.note(`stored ${requestId} on ${instanceId}`);
        return;
      } catch (cause) {
        if (!(cause instanceof CallLost)) throw cause;
        await this.#process.clock().sleep(200);
      }
    }
  }
}

/** Runs one seed to its end and checks the guarantees. The same seed gives the same run. */
export async function runEnqueueSeed(
  seed: number,
  options: EnqueueOptions = {},
): Promise<EnqueueResult> {
  let stream: SimStream | undefined;
  const cluster: Cluster = new Cluster(seed, {
    longestEffectMs: 1_500,
    stream(process) {
      stream ??= new SimStream(cluster.world);
      const own = stream.as(process, cluster.network);
      return options.stream?.(own) ?? own;
    },
  });
  const workload = new Workload(cluster, SIZE.instances);
  for (let count = 0; count < 3; count += 1) cluster.startReplica();
  if (stream === undefined) throw new Error('no replica has asked for its stream');
  options.prepare?.(stream);
  const agents = new Agents(cluster, stream);
  workload.layOut([...planSchedule(seed, SIZE), ...planStreamTraps(seed)]);
  layOutRequests(cluster, agents, [...workload.instances, ...workload.unattended], seed);
  const { world, witness, postgres } = cluster;
  await world.run(OVER_MS + 4_000);
  // The agents are gone: from here on, nobody asks for anything.
  workload.heal();
  const settled = (): boolean => agents.acknowledged.length === REQUESTS && stream?.waiting === 0;
  await world.run(world.nowMs + (options.settleWithinMs ?? 240_000), settled);
  const found: Breach[] = [];
  if (!settled()) found.push({ guarantee: 5, what: `${stream.waiting} requests are not settled` });
  const outcomes = new Map<string, number>();
  for (const { requestId, instanceId } of agents.acknowledged) {
    const outcome = postgres.receipts.get(requestId)?.receipt.outcome;
    if (outcome === undefined)
      found.push({ guarantee: 5, what: `${requestId} on ${instanceId} was lost` });
    else outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const ended = await workload.finish(240_000);
  await world.run(world.nowMs + 10_000);
  if (!ended) found.push({ guarantee: 4, what: 'an instance did not reach its end' });
  return {
    breaches: [...found, ...breaches(cluster, workload)],
    acknowledged: agents.acknowledged.length,
    outcomes,
    redelivered: stream.redelivered,
    effects: witness.seen.length,
    trace: world.trace,
  };
}

/** Requests of all kinds, some of them on no instance. */
function layOutRequests(
  cluster: Cluster,
  agents: Agents,
  instances: readonly string[],
  seed: number,
): void {
  const random = new Random(seed ^ 0xe59e);
  for (let nth = 1; nth <= REQUESTS; nth += 1) {
    const atMs = random.between(500, OVER_MS);
    const instanceId = random.chance(0.1) ? 'nowhere' : random.pick(instances);
    const more: { [field: string]: Json } = {
      ...(random.chance(0.5) && { maxCells: random.pick([1, 2]) }),
      ...(random.chance(0.1) && { cellId: 'no-such-cell' }),
      ...(random.chance(0.1) && { wait: true }),
      ...(random.chance(0.15) && { expiresAt: new Date(EPOCH_MS + atMs + 200).toISOString() }),
    };
    cluster.world.at(atMs, () => void agents.enqueue(instanceId, `e${nth}`, more));
  }
}

/** A replica dies, freezes, or hears nothing, at a call to the stream. */
function planStreamTraps(seed: number): Planned[] {
  const random = new Random(seed ^ 0x57ea);
  return Array.from({ length: STREAM_TRAPS }, () => ({
    atMs: random.between(500, OVER_MS),
    do: 'break' as const,
    fault: 'trap' as const,
    forMs: random.between(300, 6_000),
    port: 'nats' as const,
    call: random.pick(STREAM_CALLS),
    nth: Math.floor(random.between(1, 4)),
    point: random.pick(['before', 'applied', 'answered'] as const),
    act: random.pick(['kill', 'freeze', 'lose'] as const),
  }));
}
