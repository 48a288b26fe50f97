import { describe, expect, it } from 'vitest';

import { FAULT_KINDS, faultKind } from '../../../../tools/chaos/faults.ts';
import { parseFaultMix } from '../../../../tools/chaos/fault-mix.ts';
import type { FaultMix } from '../../../../tools/chaos/fault-mix.ts';
import { LEAD_MS, planFaults } from '../../../../tools/chaos/schedule.ts';
import type { ScheduleOptions } from '../../../../tools/chaos/schedule.ts';

function mix(text: string): FaultMix {
  const parsed = parseFaultMix(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.mix;
}

const TEN_MINUTES: ScheduleOptions = {
  seed: 42,
  durationMs: 600_000,
  ttlMs: 2_000,
  replicas: 3,
  mix: mix('all'),
};

describe('the schedule of a run', () => {
  it('is a function of its options', () => {
    expect(planFaults(TEN_MINUTES)).toEqual(planFaults({ ...TEN_MINUTES, mix: mix('all') }));
    expect(planFaults(TEN_MINUTES)).not.toEqual(planFaults({ ...TEN_MINUTES, seed: 43 }));
  });

  it.each([1, 2, 3, 4, 5])(
    'has more than 200 faults in ten minutes, of every kind (seed %i)',
    (seed) => {
      const { faults } = planFaults({ ...TEN_MINUTES, seed });
      expect(faults.length).toBeGreaterThan(210);
      expect(new Set(faults.map(({ kind }) => kind))).toEqual(
        new Set(FAULT_KINDS.map(({ kind }) => kind)),
      );
      expect(faults.map(({ id }) => id)).toEqual(faults.map((_, index) => index + 1));
    },
  );

  it('keeps isolated faults apart, with time to prepare before and to heal after', () => {
    const { faults, phases } = planFaults(TEN_MINUTES);
    const isolated = faults.filter(({ phase }) => phase === 'isolated');
    expect(isolated.length).toBeGreaterThan(20);
    const within = phases.find(({ kind }) => kind === 'isolated');
    let freeFromMs = within?.fromMs ?? Infinity;
    for (const { atMs, durationMs } of isolated) {
      expect(atMs - LEAD_MS).toBeGreaterThanOrEqual(freeFromMs);
      freeFromMs = atMs + durationMs + 1_000;
    }
    expect(freeFromMs).toBeLessThanOrEqual(within?.toMs ?? 0);
  });

  it('lets faults overlap, but never two on one process, link or server', () => {
    const { faults } = planFaults(TEN_MINUTES);
    const overlapping = faults.filter(({ phase }) => phase === 'overlapping');
    const during = overlapping.filter((one) =>
      overlapping.some(
        (other) =>
          other.id < one.id && other.atMs <= one.atMs && one.atMs < other.atMs + other.durationMs,
      ),
    );
    expect(during.length).toBeGreaterThan(50);
    for (const one of overlapping) {
      const { target, server } = faultKind(one.kind);
      if (target === 'all') continue;
      const rival = overlapping.find((other) => {
        const their = faultKind(other.kind);
        const same = their.target === target && their.server === server;
        const sameReplica =
          target === 'replica' || target === 'link' ? other.replica === one.replica : true;
        return other.id < one.id && same && sameReplica && one.atMs < other.atMs + other.durationMs;
      });
      expect(rival).toBeUndefined();
    }
  });

  it('has faults of both phases in half a minute', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const { faults } = planFaults({
        ...TEN_MINUTES,
        seed,
        durationMs: 25_000,
        mix: mix('process,network'),
      });
      expect(faults.filter(({ phase }) => phase === 'isolated').length).toBeGreaterThan(0);
      expect(faults.filter(({ phase }) => phase === 'overlapping').length).toBeGreaterThan(3);
    }
  });

  it('freezes for longer than the lease', () => {
    const { faults } = planFaults({ ...TEN_MINUTES, mix: mix('sigstop'), ttlMs: 5_000 });
    expect(Math.min(...faults.map(({ durationMs }) => durationMs))).toBeGreaterThan(5_000);
  });

  it('makes only faults that are in the mix', () => {
    const { faults } = planFaults({ ...TEN_MINUTES, mix: mix('sigkill,cut_etcd') });
    expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(['sigkill', 'cut_etcd']));
  });
});

describe('a fault mix', () => {
  const kinds = (text: string): string[] => mix(text).map(({ kind }) => kind);

  it('is every kind for all', () => {
    expect(kinds('all')).toEqual(FAULT_KINDS.map(({ kind }) => kind));
  });

  it('takes kinds and groups, with weights, and excludes what has a minus', () => {
    expect(kinds('process')).toEqual(['sigkill', 'sigterm', 'sigstop', 'rolling_restart']);
    expect(mix('sigkill=5,nats')).toEqual([
      { kind: 'sigkill', weight: 5 },
      { kind: 'nats_restarted', weight: 3 },
      { kind: 'nats_killed', weight: 2 },
    ]);
    expect(kinds('process,-sigterm')).toEqual(['sigkill', 'sigstop', 'rolling_restart']);
    expect(kinds('-clock')).toEqual(
      FAULT_KINDS.flatMap(({ kind }) => (kind === 'clock_jump' ? [] : [kind])),
    );
  });

  it.each([
    ['sigkil', 'there is no fault sigkil; .*did you mean sigkill'],
    ['', 'is not a fault'],
    ['sigkill=many', 'is not a fault'],
    ['sigkill,-process', 'no fault is selected'],
    ['sigkill=0', 'no fault is selected'],
  ])('%j is rejected with what to do instead', (text, problem) => {
    const parsed = parseFaultMix(text);
    expect(parsed.ok ? '' : parsed.problem).toMatch(new RegExp(problem));
  });
});
