import { describe, expect, it } from 'vitest';

import type { Log, ProjectionLine, Snapshot } from '../../../../advancer/log/log.ts';
import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { HandEffects, stage, type Stage } from './fixture.ts';

const GATE: Cell = { id: 'gate', await: { claim: 'c', statuses: ['open'] } };
const DONE = { kind: 'completed', output: { done: true }, detail: {} } as const;

/** An instance that goes on by itself, unless it is attended. */
function scene({ unattended = true, cells = [] as Cell[] } = {}) {
  const effects = new HandEffects();
  const lines: ProjectionLine[] = [];
  const goesOn: string[] = [];
  let revision = 0;
  const set: Stage = stage({ effects });
  if (cells.length > 0) set.scripted.runbook = { ...set.scripted.runbook, cells };
  const { log } = set.scripted;
  const whole: Log = {
    ...log,
    async snapshot(instanceId) {
      const snapshot = (await log.snapshot(instanceId)) as Snapshot;
      return { ...snapshot, instance: { ...snapshot.instance, unattended } };
    },
    project: (more) => Promise.resolve(void lines.push(...more)),
    claimStatus: (claimId) => {
      const claim = { claimId, revision, status: 'closed', agentId: 'x', evidence: null };
      return Promise.resolve(revision === 0 ? undefined : { ...claim, recordedAt: '' });
    },
  };
  const context = { ...set.context, log: whole, goOn: (id: string) => void goesOn.push(id) };
  return {
    ...set,
    effects,
    lines,
    goesOn,
    held: (): HeldInstance => new HeldInstance(context, set.holding),
    claimed: (newest: number): void => void (revision = newest),
  };
}

describe('an unattended instance', () => {
  it('goes on to its end under a request of its replica, which has a receipt', async () => {
    const { held, effects, scripted } = scene();
    effects.outcomes.push(DONE, DONE);
    expect(await held().proceed()).toBe('done');
    const rows = scripted.entries.flatMap((entry) => entry.rows);
    expect(rows.map(({ kind, cellId }) => `${kind} ${cellId}`)).toEqual([
      'started a',
      'completed a',
      'started b',
      'completed b',
    ]);
    const [first] = rows;
    expect(first?.requestId).toMatch(/^auto_[0-9a-f]{32}$/);
    for (const { requestId, agentId } of rows)
      expect({ requestId, agentId }).toEqual({ requestId: first?.requestId, agentId: '@due' });
    const last = scripted.entries.at(-1);
    expect(last?.receipt).toMatchObject({ requestId: first?.requestId, lastSeq: 4 });
    expect(last?.projection).toMatchObject({ status: 'completed', rest: 'ended' });
  });

  it('derives the same request from the same log, and another one from a longer log', async () => {
    const ids = await Promise.all(
      [0, 0, 2].map(async (rows) => {
        const { held, effects, scripted } = scene();
        effects.outcomes.push(DONE, DONE);
        if (rows > 0) {
          await held().proceed();
          scripted.rows.splice(rows);
          scripted.entries.splice(0);
          effects.outcomes.push(DONE);
        }
        await held().proceed();
        return scripted.entries[0]?.rows[0]?.requestId;
      }),
    );
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
  });

  it('that finds nothing to do records nothing but what brings it back', async () => {
    const { held, scripted, lines, claimed } = scene({ cells: [GATE] });
    claimed(3);
    expect(await held().proceed()).toBe('done');
    expect(scripted.entries).toEqual([]);
    const rest = { claim: { claimId: 'c', statuses: ['open'], revision: 3 } };
    expect(lines).toEqual([
      { instanceId: 'i', lastSeq: 0, projection: { status: 'parked', nextCellId: 'gate', rest } },
    ]);
  });

  it('writes what brings it back with the rows that leave it at rest', async () => {
    const cells: Cell[] = [{ id: 'a', exec: { handler: 'any' } }, GATE];
    const { held, effects, scripted } = scene({ cells });
    effects.outcomes.push(DONE);
    await held().proceed();
    const [intent, outcome] = scripted.entries;
    expect(intent?.projection).toMatchObject({ status: 'running', rest: {} });
    expect(outcome).toMatchObject({
      receipt: { lastSeq: 2 },
      projection: { status: 'parked', rest: { claim: { claimId: 'c', revision: 0 } } },
    });
  });

  it('is left to its request while one is at work on it', async () => {
    const { held } = scene();
    const instance = held();
    const first = instance.proceed();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await instance.proceed()).toBe('busy');
    void first;
  });

  it('is looked at again if another term had the same request', async () => {
    const { held, effects, scripted } = scene({ cells: [{ id: 'a', exec: { handler: 'any' } }] });
    effects.outcomes.push(DONE);
    const receipt: Receipt = {
      requestId: 'auto_other',
      instanceId: 'i',
      outcome: 'completed',
      steps: [],
      nextCellId: null,
      holder: { replicaId: 'other', fencingToken: 9 },
    };
    scripted.answers.push({ kind: 'receipted', receipt });
    expect(await held().proceed()).toBe('busy');
  });

  it('goes on at once after a decision', async () => {
    const { held, effects, goesOn } = scene({ cells: [{ id: 'a', exec: { handler: 'any' } }] });
    effects.outcomes.push({ kind: 'unknown', reason: 'crash', detail: {} });
    const instance = held();
    await instance.proceed();
    const decision = { agentId: 'ann', cellId: 'a', attempt: 1, as: 'rerun', reason: 'x' } as const;
    expect(await instance.decide(decision)).toMatchObject({ kind: 'decided' });
    expect(goesOn).toEqual(['i']);
  });
});

it('an attended instance is left as it is', async () => {
  const { held, scripted, lines, goesOn } = scene({ unattended: false });
  expect(await held().proceed()).toBe('left');
  expect([scripted.entries, lines, goesOn]).toEqual([[], [], []]);
});
