import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { parseFaultMix } from '../../tools/chaos/fault-mix.ts';
import type { ChaosRecord } from '../../tools/chaos/record.ts';
import { runChaos } from '../../tools/chaos/run.ts';
import { spoilGuard, type GuardRule } from '../harness/spoilt-guard.ts';
import type { Control } from '../harness/spoilt-replica.ts';

/*
 * Chaos on real processes, with a rule switched off: the checks must say so, by name, within one
 * short run. The replicas are the real parts with one of them spoilt (test/harness), the guard of
 * the run's own database has a hole, and all else is the shipped program. It has no option that
 * leads there.
 *
 * The fifth control, a take-over that ignores an open attempt, is in
 * test/simulation/controls.test.ts only. What it breaks is that nobody closes an attempt that is in
 * hand: neither log nor witness nor agents can tell that from an attempt whose process had lost its
 * session and came back, which is in order. Only a world that looks into the processes can.
 */

const REPLICA = fileURLToPath(new URL('../harness/spoilt-replica.ts', import.meta.url));
const SEED = 1;

interface Spoilt {
  control: Control;
  /** What the database does not enforce; undefined: it enforces everything. */
  guard: GuardRule | undefined;
  faults: string;
  durationMs: number;
}

/** One run. It is not driven to its end: with such rules missing, nothing may ever come to one. */
async function chaosWith({ control, guard, faults, durationMs }: Spoilt): Promise<ChaosRecord> {
  const mix = parseFaultMix(faults);
  if (!mix.ok) throw new Error(mix.problem);
  const dir = await mkdtemp(join(tmpdir(), `leasehold-control-${control}-`));
  const force = new AbortController();
  try {
    return await runChaos(
      {
        seed: SEED,
        durationMs,
        faults,
        mix: mix.mix,
        replicas: 3,
        agents: 24,
        // So many that they live for longer than a fault.
        instances: 100,
        leaseTtlS: 2,
        dir,
        reportFile: undefined,
        attach: undefined,
        faketimeLib: undefined,
        env: process.env,
        replicaArgv: ['--import', 'tsx', REPLICA, control],
        async afterMigrate(superuserUrl) {
          if (guard !== undefined) await spoilGuard(superuserUrl, guard);
        },
      },
      {
        stop: new AbortController().signal,
        force: force.signal,
        onEvent(event) {
          if (event.kind === 'phase' && event.phase === 'settling') force.abort();
        },
      },
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** How often each check was breached. */
function caught({ breaches }: ChaosRecord): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { check } of breaches) counts[check] = (counts[check] ?? 0) + 1;
  process.stderr.write(`seed ${SEED}: ${JSON.stringify(counts)}\n`);
  return counts;
}

describe('with a rule switched off, one run of chaos on real processes is breached by name', () => {
  it('the intent, written together with the outcome', async () => {
    const record = await chaosWith({
      control: 'intent',
      guard: undefined,
      faults: 'sigstop',
      durationMs: 8_000,
    });
    expect(record.verdict).toBe('breached');
    expect(caught(record)['intent-before-effect']).toBeGreaterThan(20);
  });

  it('the token check, in the log and in the replica, behind a trust window that never closes', async () => {
    const record = await chaosWith({
      control: 'tokens',
      guard: 'tokens',
      faults: 'sigstop',
      durationMs: 17_000,
    });
    expect(record.verdict).toBe('breached');
    expect(caught(record)['tokens-never-go-back']).toBeGreaterThan(0);
  });

  it('the trust window together with the chain rule', async () => {
    const record = await chaosWith({
      control: 'trust',
      guard: 'chain',
      faults: 'sigstop',
      durationMs: 13_000,
    });
    expect(record.verdict).toBe('breached');
    const counts = caught(record);
    expect(counts['chain-unbroken']).toBeGreaterThan(0);
    expect(counts['effect-seen-once']).toBeGreaterThan(0);
  });

  it('receipts, neither looked up nor kept apart', async () => {
    const record = await chaosWith({
      control: 'receipts',
      guard: 'receipts',
      faults: 'sigkill',
      durationMs: 6_000,
    });
    expect(record.verdict).toBe('breached');
    expect(caught(record)['one-receipt-per-request']).toBeGreaterThan(0);
  });
});
