import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { doubt, push, two } from './runbooks.ts';
import { DecideReply, ErrorReply, Receipt, StatusReply, read } from './shapes.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 3 });
  await push(cluster, doubt, two);
});

afterAll(() => cluster?.stop());

function decide(instanceId: string, body: object): Promise<unknown> {
  return cluster.request(cluster.subject('decide', instanceId), {
    agentId: 'judge',
    cellId: 'charge',
    attempt: 1,
    reason: 'confirmed by the bank',
    ...body,
  });
}

async function doubted(instanceId: string): Promise<void> {
  await cluster.start(instanceId, 'doubt');
  expect(await cluster.advance(instanceId, `${instanceId}-1`)).toMatchObject({
    outcome: 'in_doubt',
  });
}

describe('decide', () => {
  it('answers instance, seq and decision; settles the doubt, and only the next advance runs a cell', async () => {
    await doubted('settled');
    const reply = read(
      DecideReply,
      await decide('settled', { as: 'succeeded', output: { paid: 7 } }),
    );
    expect(reply).toEqual({ instanceId: 'settled', seq: 3, as: 'succeeded' });
    const rows = await cluster.rows('settled');
    expect(rows.at(-1)).toMatchObject({
      seq: 3,
      kind: 'decided',
      cell_id: 'charge',
      attempt: 1,
      body: { as: 'succeeded', by: 'judge', reason: 'confirmed by the bank', output: { paid: 7 } },
    });
    const status = read(StatusReply, await cluster.status('settled'));
    expect(status).toMatchObject({ status: 'ready', nextCellId: 'after', lastSeq: 3 });
    expect(status.cells[0]).toMatchObject({ state: 'satisfied', output: { paid: 7 } });
    const next = read(Receipt, await cluster.advance<unknown>('settled', 'settled-2'));
    expect(next).toMatchObject({ outcome: 'completed' });
    expect(next.steps.map(({ cellId, kind }) => `${cellId} ${kind}`)).toEqual([
      'after started',
      'after completed',
    ]);
  });

  it('rerun: the next advance opens the next attempt', async () => {
    await doubted('again');
    expect(await decide('again', { as: 'rerun' })).toEqual({
      instanceId: 'again',
      seq: 3,
      as: 'rerun',
    });
    expect(await cluster.rows('again')).toHaveLength(3);
    const receipt = await cluster.advance('again', 'again-2');
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      inDoubt: { cellId: 'charge', attempt: 2 },
    });
  });

  it('skipped: the next advance continues with the next cell', async () => {
    await doubted('passed');
    expect(read(DecideReply, await decide('passed', { as: 'skipped' })).as).toBe('skipped');
    const receipt = await cluster.advance('passed', 'passed-2');
    expect(receipt).toMatchObject({ outcome: 'completed', steps: [{ cellId: 'after' }, {}] });
  });

  it('failed: a failure that is not retried halts the instance', async () => {
    await doubted('gone');
    expect(read(DecideReply, await decide('gone', { as: 'failed' })).as).toBe('failed');
    expect(await cluster.advance('gone', 'gone-2')).toMatchObject({ outcome: 'halted', steps: [] });
  });

  it('answers conflict to every decision but the first, at once or later', async () => {
    await doubted('raced');
    const verdicts = ['succeeded', 'skipped', 'rerun', 'failed'];
    const replies = await Promise.all(
      verdicts.map((as) => decide('raced', { as, reason: `for ${as}`, agentId: `judge-${as}` })),
    );
    const won = replies.filter((reply) => DecideReply.safeParse(reply).success);
    const lost = replies.filter((reply) => !DecideReply.safeParse(reply).success);
    expect(won).toHaveLength(1);
    expect(lost.map((reply) => read(ErrorReply, reply).error.code)).toEqual([
      'conflict',
      'conflict',
      'conflict',
    ]);
    const late = read(ErrorReply, await decide('raced', { as: 'succeeded' }));
    expect(late.error.code).toBe('conflict');
    const decided = (await cluster.rows('raced')).filter(({ kind }) => kind === 'decided');
    expect(decided.map(({ body }) => body['as'])).toEqual([(won[0] as { as: string }).as]);
  });

  it('answers conflict when the attempt or the cell is not the one in doubt, or nothing is in doubt', async () => {
    await doubted('other');
    await cluster.start('sound', 'two');
    for (const [instanceId, body] of [
      ['other', { attempt: 2 }],
      ['other', { cellId: 'after' }],
      ['sound', { cellId: 'first' }],
    ] as const) {
      const reply = read(ErrorReply, await decide(instanceId, { as: 'skipped', ...body }));
      expect(reply.error.code, `to ${JSON.stringify(body)}`).toBe('conflict');
    }
    expect((await cluster.rows('other')).map(({ kind }) => kind)).toEqual([
      'started',
      'interrupted',
    ]);
  });

  it('answers not_found for an instance that does not exist', async () => {
    expect(read(ErrorReply, await decide('nowhere', { as: 'skipped' })).error.code).toBe(
      'not_found',
    );
  });
});
