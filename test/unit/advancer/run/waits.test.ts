import { describe, expect, it } from 'vitest';

import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { Claim, WaitReading } from '../../../../advancer/log/log.ts';
import type { Due } from '../../../../src/execution/await.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { over } from '../../../harness/controls.ts';
import { rows, type Line } from '../../src/execution/fixture.ts';
import { HandEffects, stage } from './fixture.ts';

const AT = '2030-01-31T12:00:00.000000Z';
const claim = (status: string): Claim => ({
  claimId: 'go',
  revision: 3,
  status,
  agentId: 'boss',
  evidence: null,
  recordedAt: AT,
});

/** Advances an instance once; the database says of its wait what is given. */
async function advanced(cells: Cell[], reading: WaitReading, history: Line[] = []) {
  const effects = new HandEffects();
  effects.outcomes.push({ kind: 'completed', output: null, detail: {} });
  const { scripted, context, holding, clock } = stage({ effects });
  scripted.runbook = { runbook: 'book', version: 1, inputs: [], cells };
  scripted.rows = rows(...history);
  const asked: { claimId: string | undefined; due: Due; committed: number }[] = [];
  const log = over(scripted.log, {
    readWait(claimId, due) {
      asked.push({ claimId, due, committed: scripted.rows.length });
      return Promise.resolve(reading);
    },
  });
  const handled = await new HeldInstance({ ...context, log }, holding).advance({
    instanceId: 'i',
    requestId: 'q',
    agentId: 'agent',
    wait: false,
    expiresAtMs: clock.wallMs() + 30_000,
  });
  const last = scripted.rows.at(-1);
  const status = scripted.entries.at(-1)?.projection?.status;
  return { handled, asked, last, status, rows: scripted.rows };
}

const outcome = (name: string, more: object = {}) => ({
  kind: 'receipt',
  receipt: expect.objectContaining({ outcome: name, ...more }) as object,
});

describe('a pause', () => {
  const pause: Cell = { id: 'soak', await: { for: '10m' } };

  it('parks until it is due, by the start of the instance if the log is empty', async () => {
    const {
      handled,
      asked,
      status,
      rows: log,
    } = await advanced([pause], {
      claim: undefined,
      isDue: false,
    });
    const until = '2030-01-31T11:10:00.000000Z';
    expect(handled).toEqual(outcome('parked', { waiting: { cellId: 'soak', until } }));
    expect(asked).toMatchObject([
      { claimId: undefined, due: { sinceIso: '2030-01-31T11:00:00.000000Z', afterMs: 600_000 } },
    ]);
    expect(status).toBe('parked');
    expect(log).toEqual([]);
  });

  it('is over once the database says so', async () => {
    const { handled, last } = await advanced([pause], { claim: undefined, isDue: true });
    expect(handled).toEqual(outcome('completed'));
    expect(last).toMatchObject({ kind: 'satisfied', cellId: 'soak', attempt: 1 });
  });

  it('begins when the database recorded the row before it, which is committed first', async () => {
    const before: Cell = { id: 'a', exec: { handler: 'a' } };
    const { handled, asked } = await advanced([before, pause], { claim: undefined, isDue: false });
    expect(handled).toEqual(outcome('parked'));
    // What the scripted log stamps, and not the time of this replica.
    expect(asked).toEqual([
      {
        claimId: undefined,
        due: { sinceIso: '2030-01-31T12:00:00.000Z', afterMs: 600_000 },
        committed: 2,
      },
    ]);
  });
});

describe('an await with a deadline', () => {
  const gate = (otherwise?: 'halt' | 'skip'): Cell => ({
    id: 'gate',
    await: { claim: 'go', statuses: ['yes'], within: '1h', ...(otherwise && { otherwise }) },
  });

  it('waits, and shows until when', async () => {
    const { handled, asked } = await advanced([gate()], { claim: claim('no'), isDue: false });
    const awaiting = { currentStatus: 'no', until: '2030-01-31T12:00:00.000000Z' };
    expect(handled).toEqual(
      outcome('parked', { awaiting: expect.objectContaining(awaiting) as object }),
    );
    expect(asked).toMatchObject([{ claimId: 'go' }]);
  });

  it('is satisfied by a claim that is there when the deadline is found to have passed', async () => {
    const { last } = await advanced([gate()], { claim: claim('yes'), isDue: true });
    expect(last).toMatchObject({ kind: 'satisfied', body: { revision: 3 } });
  });

  it('halts or is skipped past it, as the runbook says', async () => {
    const late = { claim: claim('no'), isDue: true };
    const halted = await advanced([gate()], late);
    expect(halted.handled).toEqual(outcome('halted', { nextCellId: 'gate' }));
    expect(halted.last).toMatchObject({ kind: 'refuted', body: { currentStatus: 'no' } });
    const skipped = await advanced([gate('skip')], late);
    expect(skipped.handled).toEqual(outcome('completed'));
    expect(skipped.last).toMatchObject({
      kind: 'skipped',
      body: { deadline: '2030-01-31T12:00:00.000000Z', claimId: 'go' },
    });
  });

  it('begins again when an agent has it run again', async () => {
    const history: Line[] = [
      ['refuted', 'gate', 1, { deadline: 'x' }],
      ['decided', 'gate', 1, { as: 'rerun', by: 'judge', reason: 'r' }],
    ];
    const { asked, last } = await advanced(
      [gate()],
      { claim: claim('yes'), isDue: false },
      history,
    );
    expect(asked).toHaveLength(1);
    expect(last).toMatchObject({ kind: 'satisfied', attempt: 2 });
  });
});
