import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { parseFaultMix } from '../../../tools/chaos/fault-mix.ts';
import type { ChaosRecord } from '../../../tools/chaos/record.ts';
import { runChaos } from '../../../tools/chaos/run.ts';
import { breakGuard, type GuardRule } from '../../harness/broken-guard.ts';
import type { Control } from '../../harness/broken-replica.ts';

/*
 * Negative controls: chaos on real processes, with one rule switched off, must be breached by name
 * within one short run. The replicas are built from the real parts with one of them broken
 * (test/harness), the guard of the run's database lacks a rule, and everything else is the shipped
 * program, which has no option for this.
 *
 * The fifth control, a takeover that ignores an open attempt, is only in
 * test/simulation/controls.test.ts. It breaks the rule that an attempt is not closed while it runs.
 * From outside (log, witness, agents) that looks the same as an attempt whose process lost its
 * session and came back, which is allowed. Only the simulation, which sees inside the processes,
 * can distinguish them.
 */

const REPLICA = fileURLToPath(new URL('../../harness/broken-replica.ts', import.meta.url));
const SEED = 1;

interface BrokenRun {
  control: Control;
  /** The rule that the database does not enforce; undefined: it enforces all rules. */
  guard: GuardRule | undefined;
  faults: string;
  durationMs: number;
}

/** One run, without settling: with such a rule missing, instances may never end. */
async function chaosWith({ control, guard, faults, durationMs }: BrokenRun): Promise<ChaosRecord> {
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
        // Enough that there is work for longer than a fault lasts.
        instances: 100,
        hostileRate: undefined,
        leaseTtlS: 2,
        dir,
        reportFile: undefined,
        attach: undefined,
        faketimeLib: undefined,
        env: process.env,
        replicaArgv: ['--import', 'tsx', REPLICA, control],
        async afterMigrate(superuserUrl) {
          if (guard !== undefined) await breakGuard(superuserUrl, guard);
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

describe('with a rule switched off, one chaos run on real processes is breached by name', () => {
  it('the intent: it is written together with the outcome', async () => {
    const record = await chaosWith({
      control: 'intent',
      guard: undefined,
      faults: 'sigstop',
      durationMs: 8_000,
    });
    expect(record.verdict).toBe('breached');
    expect(caught(record)['intent-before-effect']).toBeGreaterThan(20);
  });

  it('the token check in log and replica, together with the trust window', async () => {
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

  it('receipts, which are neither looked up nor unique, and the redaction of secrets', async () => {
    const record = await chaosWith({
      control: 'receipts_redaction',
      guard: 'receipts',
      faults: 'sigkill',
      durationMs: 6_000,
    });
    expect(record.verdict).toBe('breached');
    expect(caught(record)['one-receipt-per-request']).toBeGreaterThan(0);
    const found = record.breaches.filter(({ check }) => check === 'secret-nowhere');
    const places = new Set(found.map(({ what }) => what.split(' has the secret')[0]));
    expect([...places]).toEqual(expect.arrayContaining(['the bus', 'table leasehold.executions']));
  });
});
