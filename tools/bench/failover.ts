import type { Crew, CrewMember } from './crew.ts';
import { goOn } from './events.ts';
import type { Progress } from './events.ts';
import { FailoverProbe } from './failover-probe.ts';
import { nearestRank } from './histogram.ts';
import type { BenchOptions } from './options.ts';
import type { Stage } from './stage.ts';

/** The least that etcd takes, since a bound is the TTL and a second. */
const TTL_S = 2;
const REPLICAS = 3;
/** How many of the victim's instances are asked for after each fault. */
const WATCHED = 4;
/** After a replacement is ready, so that its start is no part of what is measured. */
const QUIET_MS = 500;

/** A fault that is measured by itself. */
export interface MeasuredFault {
  subject: string;
  text: string;
  signal: NodeJS.Signals;
  /** Whether the victim is inside an effect that may not be run again. */
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
 * How long instances are without a holder that answers: isolated faults, one at a time, each on a
 * replica that has held its instances for a while; a replacement is started and settled before the
 * next.
 */
export async function measureFailover(
  stage: Stage,
  { trials }: BenchOptions,
  progress: Progress,
): Promise<void> {
  const crew = await stage.crew('failover', TTL_S);
  progress.note(`starting ${REPLICAS} replicas`);
  await crew.start(REPLICAS);
  const probe = await FailoverProbe.connect(stage.servers.nats.url, crew.namespace, progress.stop);
  try {
    const samples = new Map(MEASURED_FAULTS.map(({ subject }) => [subject, [] as number[]]));
    // Kind after kind in turn, so that a busy minute of the machine hits all of them.
    for (let trial = 1; trial <= trials; trial += 1) {
      for (const fault of MEASURED_FAULTS) {
        goOn(progress.stop);
        progress.note(`${fault.text}, trial ${trial} of ${trials}`);
        samples.get(fault.subject)?.push(...(await strike(crew, probe, fault, trial)));
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
  await crew.stop();
}

async function strike(
  crew: Crew,
  probe: FailoverProbe,
  fault: MeasuredFault,
  trial: number,
): Promise<number[]> {
  // In turn, so that no process grows old: the oldest.
  const [victim] = crew.members;
  if (victim === undefined) throw new Error('there is no replica to strike');
  const instances = await probe.heldBy(
    victim.replicaId,
    WATCHED,
    `${fault.subject}-${trial}`,
    fault.insideEffect,
  );
  const struckMs = performance.now();
  victim.signal(fault.signal);
  const taken = await Promise.all(
    instances.map((instanceId) =>
      probe.firstFromAnother(instanceId, victim.replicaId, fault.insideEffect),
    ),
  );
  await replace(crew, victim);
  return taken.map((atMs) => atMs - struckMs);
}

async function replace(crew: Crew, victim: CrewMember): Promise<void> {
  victim.signal('SIGKILL');
  await victim.exited;
  await crew.start(1);
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}
