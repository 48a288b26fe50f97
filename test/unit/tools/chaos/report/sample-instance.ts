import type {
  Failover,
  FaultRecord,
  InstanceTimeline,
  ReplicaProcess,
} from '../../../../../tools/chaos/record.ts';
import type { SeededRandom } from './seeded-random.ts';
import { BOUNDS_MS, KINDS, type SampleSize } from './sample-faults.ts';

export function sampleInstance(
  random: SeededRandom,
  size: SampleSize,
  index: number,
  replicas: readonly ReplicaProcess[],
  faults: readonly FaultRecord[],
  failovers: Failover[],
): InstanceTimeline {
  const instance: InstanceTimeline = {
    instanceId: `refund-${String(1000 + index * 37)}`,
    terms: [],
    attempts: [],
    marks: [],
  };
  const endMs = size.durationMs * 0.97;
  let nowMs = size.durationMs * (0.02 + 0.6 * random.next());
  const instanceEndsMs = Math.min(endMs, nowMs + random.between(15_000, 140_000));
  let token = 800 + Math.round(nowMs / 12);
  const cells = ['reserve', 'charge', 'notify', 'settle'];
  let cell = 0;
  while (nowMs < instanceEndsMs) {
    const alive = replicas.filter(
      ({ fromMs, toMs }) => fromMs <= nowMs && (toMs ?? endMs) > nowMs + 50,
    );
    if (alive.length === 0) {
      nowMs += 500;
      continue;
    }
    const holder = random.pick(alive);
    token += random.whole(3, 400);
    const fault = faults.find(
      ({ fromMs, target, kind, skipped }) =>
        skipped === undefined &&
        fromMs > nowMs &&
        target === holder.name &&
        BOUNDS_MS[kind] !== undefined,
    );
    const termEndsMs = Math.min(
      fault?.fromMs ?? instanceEndsMs,
      nowMs + random.between(4000, 40_000),
      instanceEndsMs,
    );
    const term = {
      replicaId: holder.replicaId,
      fencingToken: token,
      fromMs: nowMs,
      toMs: termEndsMs,
    };
    instance.terms.push(term);
    let atMs = nowMs + random.between(5, 200);
    let open: InstanceTimeline['attempts'][number] | undefined;
    while (atMs < termEndsMs) {
      const lasts = random.chance(0.15) ? random.between(800, 4000) : random.between(30, 500);
      const attempt = {
        cellId: cells[cell % 4] ?? 'reserve',
        attempt: 1,
        replicaId: holder.replicaId,
        fencingToken: token,
      };
      if (atMs + lasts < termEndsMs) {
        const end = random.chance(0.05) ? 'failed' : 'completed';
        instance.attempts.push({ ...attempt, fromMs: atMs, toMs: atMs + lasts, end });
        instance.marks.push({
          atMs: atMs + lasts + 3,
          what: 'receipt',
          text: random.chance(0.3) ? 'completed' : 'advanced',
        });
        if (random.chance(0.06))
          instance.marks.push({ atMs: atMs + lasts + 40, what: 'parked', text: 'awaits approval' });
        cell += 1;
      } else if (fault !== undefined && termEndsMs === fault.fromMs) {
        open = { ...attempt, fromMs: atMs, toMs: null, end: 'open' };
      }
      atMs += lasts + random.between(300, 4500);
    }
    if (fault !== undefined && termEndsMs === fault.fromMs) {
      const kind = KINDS.find((candidate) => candidate.kind === fault.kind);
      const attemptOpen = open !== undefined && kind?.openMs !== undefined;
      const gap = (attemptOpen ? kind?.openMs : kind?.idleMs) ?? [200, 900];
      const ms = random.skewed(...gap);
      if (fault.phase === 'isolated') {
        const boundMs = BOUNDS_MS[fault.kind]?.[attemptOpen ? 1 : 0] ?? null;
        failovers.push({
          faultId: fault.id,
          kind: fault.kind,
          instanceId: instance.instanceId,
          attemptOpen,
          ms,
          boundMs,
        });
      }
      nowMs = fault.fromMs + ms;
      if (open !== undefined) {
        instance.attempts.push({ ...open, toMs: nowMs, end: 'interrupted: crash' });
        addMarks(random, instance, nowMs, fault.kind, open.cellId);
      }
    } else {
      nowMs = termEndsMs + random.between(500, 6000);
    }
  }
  return instance;
}

function addMarks(
  random: SeededRandom,
  instance: InstanceTimeline,
  atMs: number,
  faultKind: string,
  cellId: string,
): void {
  if (faultKind === 'sigstop' || faultKind.startsWith('cut_etcd')) {
    instance.marks.push(
      { atMs: atMs + 900, what: 'refused_write', text: `completed of ${cellId}: stale token` },
      { atMs: atMs + 920, what: 'late_outcome', text: `completed of ${cellId}, attempt 1` },
    );
  }
  if (random.chance(0.5)) return;
  instance.marks.push(
    { atMs: atMs + 5, what: 'doubt', text: `${cellId}, attempt 1: crash` },
    {
      atMs: atMs + random.between(1200, 5000),
      what: 'decision',
      text: `${cellId}, attempt 1: rerun, by chaos-agent`,
    },
  );
}
