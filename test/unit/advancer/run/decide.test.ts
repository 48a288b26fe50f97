import { describe, expect, it } from 'vitest';

import { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { DecideMessage } from '../../../../src/request/messages.ts';
import type { Cell } from '../../../../src/runbook/runbook.ts';
import { rows, type Line } from '../../src/execution/fixture.ts';
import { stage, type Stage } from './fixture.ts';

const KEY = { idempotencyKey: 'i/a/1' };
const FAILED: Line[] = [
  ['started', 'a', 1, KEY],
  ['failed', 'a', 1, { error: { message: 'no' } }],
];
const GATE: Cell = { id: 'a', await: { claim: 'go', statuses: ['yes'], within: '1h' } };

interface World extends Stage {
  held: HeldInstance;
}

function world(history: Line[], cell: Cell = { id: 'a', exec: { handler: 'a' } }): World {
  const staged = stage();
  const after: Cell = { id: 'b', exec: { handler: 'b' } };
  staged.scripted.runbook = { runbook: 'book', version: 1, inputs: [], cells: [cell, after] };
  staged.scripted.rows = rows(...history);
  return { ...staged, held: new HeldInstance(staged.context, staged.holding) };
}

function decide({ held }: World, message: Partial<DecideMessage>): Promise<unknown> {
  const named = { agentId: 'judge', cellId: 'a', attempt: 1, reason: 'looked at it' } as const;
  return held.decide({ as: 'rerun', ...named, ...message });
}

const conflict = (message: RegExp) => ({
  kind: 'refused',
  error: expect.objectContaining({
    code: 'conflict',
    message: expect.stringMatching(message) as string,
  }) as object,
});

describe('a decision on a halted cell', () => {
  it.each(['rerun', 'succeeded', 'skipped'] as const)('is recorded: %s', async (as) => {
    const here = world(FAILED);
    const output = as === 'succeeded' ? { output: { paid: 7 } } : {};
    expect(await decide(here, { as, ...output })).toEqual({
      kind: 'decided',
      instanceId: 'i',
      seq: 3,
      as,
    });
    expect(here.scripted.rows.at(-1)).toMatchObject({
      kind: 'decided',
      cellId: 'a',
      attempt: 1,
      requestId: null,
      agentId: 'judge',
      body: { as, by: 'judge', reason: 'looked at it', ...output },
    });
    expect(here.scripted.entries.at(-1)?.projection?.status).toBe('ready');
  });

  it('as failed is refused, and says what is possible', async () => {
    expect(await decide(world(FAILED), { as: 'failed' })).toMatchObject({
      kind: 'refused',
      error: {
        code: 'conflict',
        field: 'as',
        message:
          'as: attempt 1 of cell a has failed already, and halted the instance; ' +
          'decide rerun, succeeded or skipped, or cancel the instance',
      },
    });
  });

  it('answers a cell of any type: the attempt is the verdict that is repaired', async () => {
    const refuted: Line[] = [['refuted', 'a', 1, { deadline: 'x', claimId: 'go' }]];
    const here = world(refuted, GATE);
    expect(await decide(here, {})).toMatchObject({ kind: 'decided', seq: 2 });
    const again = world(
      [...refuted, ['decided', 'a', 1, { as: 'rerun', by: 'x', reason: 'r' }], ['refuted', 'a', 2]],
      GATE,
    );
    expect(await decide(again, { attempt: 2, as: 'skipped' })).toMatchObject({ kind: 'decided' });
  });

  it('must name the cell and the attempt that halted', async () => {
    const here = world(FAILED);
    for (const wrong of [{ cellId: 'b' }, { attempt: 2 }])
      expect(await decide(here, wrong)).toEqual(
        conflict(/^attempt 1 of cell a halted the instance, not the one named$/),
      );
    expect(here.scripted.entries).toEqual([]);
  });

  it('counts once: the second one learns who decided what, also once it has gone on', async () => {
    const here = world(FAILED);
    const both = await Promise.all([
      decide(here, { as: 'skipped', agentId: 'first' }),
      decide(here, { as: 'rerun', agentId: 'second' }),
    ]);
    const taken = /^attempt 1 of cell a was decided already: skipped by first \(row 3\)$/;
    expect(both).toEqual([expect.objectContaining({ kind: 'decided' }), conflict(taken)]);
    const on: Line[] = [
      ...FAILED,
      ['decided', 'a', 1, { as: 'skipped', by: 'first', reason: 'r' }],
      ['started', 'b', 1],
      ['failed', 'b', 1, { error: { message: 'no' } }],
    ];
    expect(await decide(world(on), {})).toEqual(conflict(taken));
  });

  it('is not needed while the runbook has it undone', async () => {
    const here = world(FAILED);
    here.scripted.runbook = { ...here.scripted.runbook, onHalt: 'undo' };
    expect(await decide(here, {})).toEqual(conflict(/is about to be undone.*onHalt: undo/));
  });

  it('is refused where nothing is halted or in doubt', async () => {
    expect(await decide(world([]), {})).toEqual(
      conflict(/^instance i is neither in doubt nor halted, but ready$/),
    );
  });
});

describe('late evidence about an attempt that was decided as failed', () => {
  const history: Line[] = [
    ['started', 'a', 1, KEY],
    ['interrupted', 'a', 1, { reason: 'crash' }],
    ['decided', 'a', 1, { as: 'failed', by: 'judge', reason: 'not there' }],
  ];

  function reported(kind: 'completed' | 'failed'): World {
    const here = world(history);
    const { replicaId, fencingToken } = here.scripted.rows[0]!;
    const place = { instanceId: 'i', cellId: 'a', attempt: 1, fencingToken, replicaId };
    here.scripted.lateOutcomes.push({ ...place, kind, body: { output: { paid: 7 } } });
    return here;
  }

  it('keeps it from running again under a new key', async () => {
    expect(await decide(reported('completed'), {})).toEqual(conflict(/happened, as .* reported/));
    expect(await decide(reported('failed'), {})).toMatchObject({ kind: 'decided' });
  });

  it('gives the output of a success that is decided without one', async () => {
    const here = reported('completed');
    expect(await decide(here, { as: 'succeeded' })).toMatchObject({ kind: 'decided' });
    expect(here.scripted.rows.at(-1)!.body['output']).toEqual({ paid: 7 });
  });
});
