import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Agent } from '../../src/agent/agent.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';
import { doubt, gate, push, TRUE, two } from './runbooks.ts';
import { CancelReply, ErrorReply, Receipt, StatusReply, read } from './shapes.ts';

let cluster: TestCluster;
let folder: string;

const append = (word: string) => ({
  command: ['sh', '-c', `echo ${word} >> "$FILE"`],
  env: { FILE: '${inputs.file}' },
});

const RUNBOOKS = [
  doubt,
  gate,
  two,
  {
    runbook: 'long',
    version: 1,
    inputs: ['file'],
    cells: [
      {
        id: 'work',
        exec: {
          command: ['sh', '-c', 'echo $$ > "$FILE"; sleep 600; echo done >> "$FILE"'],
          env: { FILE: '${inputs.file}' },
        },
      },
      { id: 'after', exec: TRUE },
    ],
  },
  {
    runbook: 'retried',
    version: 1,
    inputs: [],
    cells: [
      {
        id: 'try',
        exec: { command: ['false'] },
        retry: { attempts: 9, backoff: '1h', maxBackoff: '1h' },
      },
    ],
  },
  {
    runbook: 'saga',
    version: 1,
    inputs: ['file'],
    cells: [
      { id: 'one', exec: TRUE, undo: append('undo-one') },
      { id: 'two', exec: TRUE },
      { id: 'three', exec: TRUE, undo: append('undo-three') },
      { id: 'gate', await: { claim: 'never', statuses: ['yes'] } },
    ],
  },
  {
    runbook: 'guarded',
    version: 1,
    onHalt: 'undo',
    inputs: ['file'],
    cells: [
      { id: 'one', exec: TRUE, undo: append('undone') },
      { id: 'breaks', exec: { command: ['false'] } },
    ],
  },
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-cancel-'));
  cluster = await TestCluster.start({ replicas: 3 });
  await push(cluster, ...RUNBOOKS);
});

afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

function cancel(instanceId: string, body: object = {}): Promise<unknown> {
  const message = { agentId: 'judge', reason: 'not wanted', ...body };
  return cluster.request(cluster.subject('cancel', instanceId), message);
}

/** The lines of a file that does not exist yet are none. */
async function lines(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

const conflict = async (reply: Promise<unknown>): Promise<string> => {
  const { error } = read(ErrorReply, await reply);
  expect(error.code).toBe('conflict');
  return error.message;
};

const kinds = async (instanceId: string): Promise<string[]> =>
  (await cluster.rows(instanceId)).map(({ kind, cell_id: cell }) => `${kind} ${cell}`);

describe('cancel', () => {
  it('answers instance, seq and status, and is final', async () => {
    await cluster.start('fresh', 'two');
    expect(read(CancelReply, await cancel('fresh'))).toEqual({
      instanceId: 'fresh',
      seq: 1,
      status: 'cancelled',
    });
    const status = read(StatusReply, await cluster.status('fresh'));
    expect(status).toMatchObject({
      status: 'cancelled',
      nextCellId: null,
      cancelled: { by: 'judge', reason: 'not wanted', left: [] },
    });
    const receipt = read(Receipt, await cluster.advance<unknown>('fresh', 'fresh-1'));
    expect(receipt).toMatchObject({ outcome: 'cancelled', steps: [] });
    // Recorded: the same request again gets the same receipt.
    expect(await cluster.advance('fresh', 'fresh-1')).toEqual(receipt);
    for (const again of [{}, { undo: true, reason: 'again' }])
      expect(await conflict(cancel('fresh', again))).toMatch(/is cancelled already, by judge/);
    expect(await kinds('fresh')).toEqual(['cancelled about']);
  });

  it('ends a command that runs, and records that its outcome is unknown', async () => {
    const file = join(folder, 'long');
    await cluster.start('long', 'long', { file });
    const advanced = cluster.advance<unknown>('long', 'long-1');
    const pid = await eventually(async () => (await lines(file))[0]);
    expect(read(CancelReply, await cancel('long')).status).toBe('cancelled');
    expect(() => process.kill(Number(pid), 0)).toThrow(/ESRCH/);
    expect(read(Receipt, await advanced)).toMatchObject({
      outcome: 'cancelled',
      steps: [{ kind: 'started' }, { kind: 'interrupted' }],
    });
    const rows = await cluster.rows('long');
    expect(rows.map(({ kind }) => kind)).toEqual(['started', 'interrupted', 'cancelled']);
    expect(rows[1]!.body).toMatchObject({ reason: 'aborted' });
    expect(rows[2]).toMatchObject({
      request_id: null,
      body: { by: 'judge', left: [{ cellId: 'work', attempt: 1 }] },
    });
    expect(await lines(file)).toEqual([pid]);
  });

  it('ends the wait before a retry', async () => {
    await cluster.start('retried', 'retried');
    const advanced = cluster.advance<unknown>('retried', 'retried-1');
    await eventually(async () => (await kinds('retried')).length === 2 || undefined);
    read(CancelReply, await cancel('retried'));
    expect(read(Receipt, await advanced).outcome).toBe('cancelled');
    expect(await kinds('retried')).toEqual(['started try', 'failed try', 'cancelled try']);
  });

  it('of a parked instance, and of one in doubt, leaves nothing to wait for', async () => {
    await cluster.start('parked', 'gate', { claim: 'nobody' });
    expect((await cluster.advance('parked', 'parked-1')).outcome).toBe('parked');
    expect(read(CancelReply, await cancel('parked')).seq).toBe(1);
    await cluster.start('unsure', 'doubt');
    expect((await cluster.advance('unsure', 'unsure-1')).outcome).toBe('in_doubt');
    expect(await conflict(cancel('unsure', { undo: true }))).toContain(
      'leasehold decide unsure --cell charge --attempt 1 --as',
    );
    read(CancelReply, await cancel('unsure'));
    const status = read(StatusReply, await cluster.status('unsure'));
    expect(status).toMatchObject({
      status: 'cancelled',
      cancelled: { left: [{ cellId: 'charge', attempt: 1 }] },
    });
    expect(status.inDoubt).toBeUndefined();
  });

  it('answers conflict once no cell is left, and not_found where there is no instance', async () => {
    await cluster.start('whole', 'two');
    expect((await cluster.advance('whole', 'whole-1')).outcome).toBe('completed');
    expect(await conflict(cancel('whole'))).toMatch(/has completed: no cell is left/);
    expect(read(ErrorReply, await cancel('nowhere')).error.code).toBe('not_found');
  });

  it('names the field of a message that it cannot read', async () => {
    await cluster.start('odd', 'two');
    for (const [field, body] of [
      ['reason', { reason: '' }],
      ['undo', { undo: 'yes' }],
      ['colour', { colour: 'red' }],
    ] as const)
      expect(read(ErrorReply, await cancel('odd', body)).error).toMatchObject({
        code: 'invalid',
        field,
      });
    expect(await kinds('odd')).toEqual([]);
  });

  it('is one of several at once', async () => {
    await cluster.start('raced', 'two');
    const replies = await Promise.all(
      [1, 2, 3, 4].map((n) => cancel('raced', { agentId: `judge-${n}` })),
    );
    expect(replies.filter((reply) => CancelReply.safeParse(reply).success)).toHaveLength(1);
    expect(await kinds('raced')).toEqual(['cancelled about']);
  });
});

describe('cancel with undo', () => {
  it('has the next advance undo what was done, in reverse order', async () => {
    const file = join(folder, 'saga');
    await cluster.start('saga', 'saga', { file });
    expect((await cluster.advance('saga', 'saga-1')).outcome).toBe('parked');
    expect(read(CancelReply, await cancel('saga', { undo: true }))).toMatchObject({
      status: 'ready',
    });
    const between = read(StatusReply, await cluster.status('saga'));
    expect(between).toMatchObject({
      status: 'ready',
      nextCellId: 'undo-three',
      unwinding: { by: 'judge', reason: 'not wanted' },
    });
    expect(await conflict(cancel('saga', { undo: true, reason: 'more' }))).toMatch(/being undone/);
    const first = read(Receipt, await cluster.advance<unknown>('saga', 'saga-2', { maxCells: 1 }));
    expect(first.nextCellId).toBe('undo-one');
    const second = read(Receipt, await cluster.advance<unknown>('saga', 'saga-3'));
    expect(second).toMatchObject({ outcome: 'cancelled', unwinding: { by: 'judge' } });
    expect(await lines(file)).toEqual(['undo-three', 'undo-one']);
    const { cells } = read(StatusReply, await cluster.status('saga'));
    expect(cells.map(({ cellId, state }) => `${cellId} ${state}`)).toEqual([
      'one undone',
      'two satisfied',
      'three undone',
      'gate pending',
      'undo-three satisfied',
      'undo-one satisfied',
    ]);
  });

  it('can be cut short: what is not undone then stays visible', async () => {
    const file = join(folder, 'short');
    await cluster.start('short', 'saga', { file });
    await cluster.advance('short', 'short-1');
    await cancel('short', { undo: true });
    await cluster.advance('short', 'short-2', { maxCells: 1 });
    expect(read(CancelReply, await cancel('short', { reason: 'enough' })).status).toBe('cancelled');
    expect(await lines(file)).toEqual(['undo-three']);
    const { cells } = read(StatusReply, await cluster.status('short'));
    expect(cells[0]).toMatchObject({ cellId: 'one', state: 'satisfied' });
    expect(cells[2]).toMatchObject({ cellId: 'three', state: 'undone' });
  });

  it('is what onHalt: undo does after a halt', async () => {
    const file = join(folder, 'guarded');
    await cluster.start('guarded', 'guarded', { file });
    const receipt = read(Receipt, await cluster.advance<unknown>('guarded', 'guarded-1'));
    expect(receipt).toMatchObject({ outcome: 'cancelled', unwinding: { by: '@policy' } });
    expect(await lines(file)).toEqual(['undone']);
  });
});

describe('the same by the agent and the command line', () => {
  it('an agent cancels, and gets errors with their code', async () => {
    const agent = await Agent.connect({
      agentId: 'judge',
      namespace: cluster.namespace,
      servers: [...cluster.servers.natsUrls],
    });
    onTestFinished(() => agent.close());
    await cluster.start('by-agent', 'two');
    expect(await agent.cancel('by-agent', { reason: 'r' })).toEqual({
      instanceId: 'by-agent',
      seq: 1,
      status: 'cancelled',
    });
    const repeated = agent.cancel('by-agent', { reason: 'r' });
    await expect(repeated).rejects.toMatchObject({ code: 'conflict' });
    await expect(agent.cancel('by-agent', { reason: '' })).rejects.toMatchObject({
      code: 'invalid',
      field: 'reason',
    });
    expect((await agent.advance('by-agent')).outcome).toBe('cancelled');
  });

  it('leasehold cancel prints what is next; an advance of what is cancelled exits 4', async () => {
    await cluster.start('by-hand', 'saga', { file: join(folder, 'by-hand') });
    await cluster.advance('by-hand', 'by-hand-1');
    const undo = await cluster.cli(['cancel', 'by-hand', '--reason', 'no', '--undo']);
    expect(undo).toMatchObject({ code: 0, stderr: '' });
    expect(undo.stdout).toMatch(/next: leasehold advance by-hand\n$/);
    const advanced = await cluster.cli(['advance', 'by-hand']);
    expect(advanced.code).toBe(4);
    expect(advanced.stdout).toContain('by-hand is cancelled.');
    const status = await cluster.cli(['status', 'by-hand']);
    expect(status.stdout).toMatch(/cancelled by \S+: no/);
    const again = await cluster.cli(['cancel', 'by-hand', '--reason', 'no', '--json']);
    expect(again.code).toBe(3);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'conflict' } });
    const listed = await cluster.cli(['list', '--status', 'cancelled', '--json']);
    expect(listed.stdout).toContain('"by-hand"');
  });
});
