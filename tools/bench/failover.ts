import type { BenchStack } from './bench-stack.ts';
import { throwIfStopped } from './events.ts';
import type { Progress } from './events.ts';
import { FailoverProbe } from './failover-probe.ts';
import { nearestRank } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import type { PooledReplica, ReplicaPool } from './replica-pool.ts';

/** The least that etcd grants; the bound for a failover is the TTL plus one second. */
const TTL_S = 2;
const REPLICAS = 3;
/** How many of the victim's instances are probed after each fault. */
const PROBED = 4;
/** A pause after a replacement is ready, so that its start does not disturb the next fault. */
const QUIET_MS = 500;

/** A fault that is measured in isolation. */
export interface MeasuredFault {
  subject: string;
  text: string;
  signal: NodeJS.Signals;
  /** Whether the victim is inside an effect that must not run again. */
  insideEffect: boolean;
}

const MEASURED_FAULTS: readonly MeasuredFault[] = [
  { subject: 'sigterm', text: 'SIGTERM', signal: 'SIGTERM', insideEffect: false },
  {
    subject: 'sigkill_idle',
    text: 'SIGKILL, no attempt open',
    signal: 'SIGKILL',
    insideEffect: false,
  },
  {
    subject: 'sigkill_hold',
    text: 'SIGKILL inside a hold cell',
    signal: 'SIGKILL',
    insideEffect: true,
  },
  {
    subject: 'sigstop_hold',
    text: 'SIGSTOP inside a hold cell',
    signal: 'SIGSTOP',
    insideEffect: true,
  },
];

/**
 * How long instances are without a holder that answers. Faults are isolated: one at a time, each on
 * a replica that has held its instances for a while, with a replacement started and settled before
 * the next.
 */
export async function measureFailover(
  stack: BenchStack,
  { trials }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const pool = await stack.createPool('failover', { leaseTtlS: TTL_S });
  progress.note(`starting ${REPLICAS} replicas`);
  await pool.start(REPLICAS);
  const probe = await FailoverProbe.connect(stack.servers.nats.url, pool.namespace, progress.stop);
  try {
    const samples = new Map(MEASURED_FAULTS.map(({ subject }) => [subject, [] as number[]]));
    // The kinds take turns, so that a busy minute of the machine affects all of them.
    for (let trial = 1; trial <= trials; trial += 1) {
      for (const fault of MEASURED_FAULTS) {
        throwIfStopped(progress.stop);
        progress.note(`${fault.text}, trial ${trial} of ${trials}`);
        samples.get(fault.subject)?.push(...(await measureFault(pool, probe, fault, trial)));
      }
    }
    for (const { subject } of MEASURED_FAULTS) {
      const ms = samples.get(subject) ?? [];
      progress.figure({
        part: 'failover',
        subject,
        at: { trials, instances: ms.length },
        values: {
          medianMs: nearestRank(ms, 0.5),
          p99Ms: nearestRank(ms, 0.99),
          worstMs: nearestRank(ms, 1),
        },
      });
    }
  } finally {
    await probe.close();
  }
  await pool.stop();
}

/** Makes one fault. @returns the failover time of each probed instance, in milliseconds */
async function measureFault(
  pool: ReplicaPool,
  probe: FailoverProbe,
  { subject, signal, insideEffect }: MeasuredFault,
  trial: number,
): Promise<number[]> {
  // The oldest, so that every process is replaced in turn.
  const [victim] = pool.replicas;
  if (victim === undefined) throw new Error('no replica is running');
  const { replicaId } = victim;
  const prefix = `${subject}-${trial}`;
  const instances = await probe.heldBy({ replicaId, count: PROBED, prefix, insideEffect });
  const faultMs = performance.now();
  victim.signal(signal);
  const servedMs = await Promise.all(
    instances.map((instanceId) => probe.firstFromAnother(instanceId, replicaId, insideEffect)),
  );
  await replace(pool, victim);
  return servedMs.map((atMs) => atMs - faultMs);
}

async function replace(pool: ReplicaPool, victim: PooledReplica): Promise<void> {
  victim.signal('SIGKILL');
  await victim.exited;
  await pool.start(1);
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}
