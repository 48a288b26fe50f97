import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Agent } from '../../src/agent/agent.ts';
import { TestCluster } from '../harness/replicas.ts';
import { doubt, push, TRUE, two } from './runbooks.ts';
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

describe('decide on a halted instance', () => {
  /** Fails until its file is there. */
  const untilThere = ['sh', '-c', 'test -e "$FILE"'];
  const inputs = (name: string): { file: string } => ({ file: join(folder, name) });
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leasehold-decide-'));
    await push(
      cluster,
      {
        runbook: 'breaks',
        version: 1,
        inputs: ['file'],
        cells: [
          {
            id: 'charge',
            exec: { command: untilThere, env: { FILE: '${inputs.file}' } },
            retry: { attempts: 2, backoff: '10ms' },
          },
          { id: 'after', exec: TRUE },
        ],
      },
      {
        runbook: 'late',
        version: 1,
        inputs: ['claim'],
        cells: [
          { id: 'gate', await: { claim: '${inputs.claim}', statuses: ['yes'], within: '1ms' } },
          { id: 'after', exec: TRUE },
        ],
      },
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function halted(instanceId: string): Promise<void> {
    await cluster.start(instanceId, 'breaks', inputs(instanceId));
    const receipt = await cluster.advance(instanceId, `${instanceId}-1`);
    expect(receipt).toMatchObject({ outcome: 'halted', nextCellId: 'charge' });
  }

  it('by raw NATS: rerun, under a new budget of retries, and it completes', async () => {
    await halted('raw');
    expect(await decide('raw', { as: 'rerun', attempt: 2 })).toEqual({
      instanceId: 'raw',
      seq: 5,
      as: 'rerun',
    });
    expect(read(StatusReply, await cluster.status('raw')).status).toBe('ready');
    const again = read(Receipt, await cluster.advance<unknown>('raw', 'raw-2'));
    expect(again.outcome).toBe('halted');
    expect(again.steps.map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual([
      'started 3',
      'failed 3',
      'started 4',
      'failed 4',
    ]);
    await writeFile(inputs('raw').file, '');
    read(DecideReply, await decide('raw', { as: 'rerun', attempt: 4 }));
    expect((await cluster.advance('raw', 'raw-3')).outcome).toBe('completed');
  });

  it('by the agent: rerun, succeeded with an output, or skipped, and it completes', async () => {
    const agent = await Agent.connect({
      agentId: 'judge',
      namespace: cluster.namespace,
      servers: [...cluster.servers.natsUrls],
    });
    onTestFinished(() => agent.close());
    const about = { cellId: 'charge', attempt: 2, reason: 'done by hand' } as const;
    await Promise.all([halted('retried'), halted('paid'), halted('left-out')]);
    await writeFile(inputs('retried').file, '');
    await agent.decide('retried', { ...about, as: 'rerun' });
    await agent.decide('paid', { ...about, as: 'succeeded', output: { paid: 7 } });
    await agent.decide('left-out', { ...about, as: 'skipped' });
    expect((await agent.advance('retried')).outcome).toBe('completed');
    expect((await agent.advance('paid')).outcome).toBe('completed');
    expect((await agent.advance('left-out')).outcome).toBe('completed');
    const states = async (id: string): Promise<string | undefined> =>
      (await agent.status(id)).cells[0]?.state;
    const found = await Promise.all(['retried', 'paid', 'left-out'].map(states));
    expect(found).toEqual(['satisfied', 'satisfied', 'skipped']);
  });

  it('by the command line, as its status suggests: rerun, and it completes', async () => {
    await halted('typed');
    await writeFile(inputs('typed').file, '');
    const shown = await cluster.cli(['status', 'typed']);
    expect(shown.stdout).toContain(
      'leasehold decide typed --cell charge --attempt 2 --as rerun --reason',
    );
    const args = ['--cell', 'charge', '--attempt', '2', '--as', 'rerun', '--reason', 'repaired'];
    expect(await cluster.cli(['decide', 'typed', ...args])).toMatchObject({ code: 0 });
    const advanced = await cluster.cli(['advance', 'typed', '--json']);
    expect(advanced.code).toBe(0);
    expect(JSON.parse(advanced.stdout)).toMatchObject({ outcome: 'completed', nextCellId: null });
    const again = await cluster.cli(['decide', 'typed', ...args]);
    expect(again.code).toBe(3);
    expect(again.stderr).toMatch(/was decided already: rerun by/);
  });

  it('is refused as failed, for another attempt, and where it has been decided', async () => {
    await halted('refused');
    for (const [body, message] of [
      [{ as: 'failed', attempt: 2 }, /has failed already/],
      [{ as: 'rerun', attempt: 1 }, /attempt 2 of cell charge halted the instance/],
      [{ as: 'rerun', cellId: 'after' }, /attempt 2 of cell charge halted the instance/],
    ] as const) {
      const { error } = read(ErrorReply, await decide('refused', body));
      expect(error).toMatchObject({ code: 'conflict', message: expect.stringMatching(message) });
    }
    const verdicts = ['rerun', 'succeeded', 'skipped'];
    const replies = await Promise.all(
      verdicts.map((as) => decide('refused', { as, attempt: 2, agentId: `judge-${as}` })),
    );
    const won = replies.flatMap((reply) => {
      const { success, data } = DecideReply.safeParse(reply);
      return success ? [data.as] : [];
    });
    expect(won).toHaveLength(1);
    for (const reply of replies) {
      if (DecideReply.safeParse(reply).success) continue;
      expect(read(ErrorReply, reply).error.message).toContain(`${won[0]} by judge-${won[0]}`);
    }
  });

  it('answers an await whose deadline has passed: the wait begins again', async () => {
    await cluster.start('late', 'late', { claim: 'late-claim' });
    const first = await cluster.advance('late', 'late-1');
    expect(first).toMatchObject({ outcome: 'halted', nextCellId: 'gate' });
    read(DecideReply, await decide('late', { cellId: 'gate', as: 'rerun' }));
    await cluster.request(cluster.subject('claim', 'late-claim'), {
      status: 'yes',
      agentId: 'boss',
    });
    expect((await cluster.advance('late', 'late-3')).outcome).toBe('completed');
    const rows = await cluster.rows('late');
    expect(rows.slice(0, 3).map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual([
      'refuted 1',
      'decided 1',
      'satisfied 2',
    ]);
  });
});
