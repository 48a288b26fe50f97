import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { doubt, gate, halt, post, push, two } from './runbooks.ts';
import { ClaimReply, ErrorReply, StartReply, StatusReply, WireRow, read } from './shapes.ts';

let cluster: TestCluster;
let receiver: Receiver;

beforeAll(async () => {
  // A long lease: nothing here is about a term that ends, not even on a busy machine.
  [cluster, receiver] = await Promise.all([
    TestCluster.start({ replicas: 3, ttlS: 30 }),
    Receiver.listen(),
  ]);
  await push(cluster, post, two, { ...two, version: 2 }, gate, doubt, halt);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

const start = (body: object): Promise<unknown> =>
  cluster.request(cluster.subject('start'), { agentId: 'tester', inputs: {}, ...body });
const claim = (claimId: string, body: object): Promise<unknown> =>
  cluster.request(cluster.subject('claim', claimId), { agentId: 'tester', ...body });
const status = async (instanceId: string, body: object = {}) =>
  read(StatusReply, await cluster.status(instanceId, body));

describe('start', () => {
  it('answers instance, runbook, version and created: true; the same again: created: false', async () => {
    const body = { instanceId: 'start-1', runbookId: 'post', version: 1, inputs: { url: 'x' } };
    const created = read(StartReply, await start(body));
    expect(created).toEqual({
      instanceId: 'start-1',
      runbookId: 'post',
      version: 1,
      created: true,
    });
    expect(read(StartReply, await start(body))).toEqual({ ...created, created: false });
    const { rows } = await cluster.app.query(
      'select * from leasehold.instances where instance_id = $1',
      ['start-1'],
    );
    expect(rows).toEqual([
      {
        instance_id: 'start-1',
        runbook_id: 'post',
        version: 1,
        inputs: { url: 'x' },
        agent_id: 'tester',
        recorded_at: expect.any(Date) as Date,
        unattended: false,
        // Only a run cell, or a tick of a schedule, starts an instance that has an origin.
        parent_instance_id: null,
        parent_cell_id: null,
        parent_n: null,
        parent_attempt: null,
        parent_seq: null,
        parent_token: null,
        schedule_id: null,
        tick: null,
      },
    ]);
  });

  it.each([
    ['post', { ulr: 'x' }, 'inputs: missing url, unknown ulr; the runbook declares url'],
    ['two', { a: 1, b: 2 }, 'inputs: unknown a, b; the runbook declares none'],
    ['post', {}, 'inputs: missing url; the runbook declares url'],
  ])('names all that is wrong with the inputs of %s', async (runbookId, inputs, message) => {
    const reply = await start({ instanceId: 'start-wrong', runbookId, inputs });
    expect(reply).toEqual({ error: { code: 'invalid', message, field: 'inputs' } });
  });

  it('answers created: true to exactly one of several identical starts at once', async () => {
    const body = { instanceId: 'start-race', runbookId: 'two' };
    const replies = await Promise.all(Array.from({ length: 8 }, () => start(body)));
    const created = replies.map((reply) => read(StartReply, reply).created);
    expect(created.filter(Boolean)).toHaveLength(1);
  });

  it('takes the newest version if none is given, and pins it', async () => {
    expect(await start({ instanceId: 'newest', runbookId: 'two' })).toMatchObject({ version: 2 });
    expect(await start({ instanceId: 'older', runbookId: 'two', version: 1 })).toMatchObject({
      version: 1,
    });
    await push(cluster, { ...two, version: 3 });
    expect(await start({ instanceId: 'newest', runbookId: 'two' })).toMatchObject({
      version: 2,
      created: false,
    });
    expect(await start({ instanceId: 'newer', runbookId: 'two' })).toMatchObject({ version: 3 });
  });

  it.each([
    ['other inputs', { runbookId: 'post', inputs: { url: 'other' } }],
    ['another runbook', { runbookId: 'two', inputs: {} }],
  ])('answers conflict to %s under an id that exists', async (what, other) => {
    const instanceId = `taken-${what.replaceAll(' ', '-')}`;
    await start({ instanceId, runbookId: 'post', inputs: { url: 'x' } });
    expect(read(ErrorReply, await start({ instanceId, ...other })).error.code).toBe('conflict');
    expect((await status(instanceId)).runbookId).toBe('post');
  });

  it('answers conflict to another version under an id that exists', async () => {
    await start({ instanceId: 'taken-version', runbookId: 'two', version: 1 });
    const reply = await start({ instanceId: 'taken-version', runbookId: 'two', version: 2 });
    expect(read(ErrorReply, reply).error.code).toBe('conflict');
  });

  it('answers not_found for a runbook or a version that is not stored', async () => {
    for (const body of [{ runbookId: 'nowhere' }, { runbookId: 'two', version: 99 }]) {
      const { error } = read(ErrorReply, await start({ instanceId: 'unborn', ...body }));
      expect(error).toMatchObject({ code: 'not_found', field: 'runbookId' });
    }
  });
});

describe('status', () => {
  it('is ready before anything ran, and names the first cell that is not prose', async () => {
    await start({ instanceId: 'fresh', runbookId: 'two', version: 1 });
    expect(await status('fresh')).toEqual({
      instanceId: 'fresh',
      runbookId: 'two',
      version: 1,
      status: 'ready',
      nextCellId: 'first',
      unattended: false,
      holder: null,
      lastSeq: 0,
      cells: [
        { cellId: 'about', type: 'prose', state: expect.any(String) as string },
        { cellId: 'first', type: 'exec', state: 'pending' },
        { cellId: 'second', type: 'exec', state: 'pending' },
      ],
    });
  });

  it('is completed at the end, with holder, attempts, outputs, and nothing left to do', async () => {
    await start({
      instanceId: 'whole',
      runbookId: 'post',
      inputs: { url: `${receiver.url}/whole` },
    });
    const receipt = await cluster.advance('whole', 'whole-1');
    const reply = await status('whole');
    expect(reply).toMatchObject({ status: 'completed', nextCellId: null, lastSeq: 2 });
    expect(reply.holder).toEqual(receipt.holder);
    expect(reply.cells).toEqual([
      { cellId: 'call', type: 'exec', state: 'satisfied', attempt: 1, output: { count: 1 } },
    ]);
    expect(reply).not.toHaveProperty('log');
    expect(reply).not.toHaveProperty('receipt');
  });

  it('returns the log for log: true, row by row as in the table', async () => {
    const { log = [] } = await status('whole', { log: true });
    const { rows } = await cluster.app.query(
      `select instance_id, seq::int, fencing_token::float8 as fencing_token, replica_id, kind, cell_id, attempt,
              request_id, agent_id, body, recorded_at
         from leasehold.executions where instance_id = 'whole' order by seq`,
    );
    expect(log.map((row) => ({ ...row, recorded_at: new Date(row.recorded_at) }))).toEqual(rows);
    expect(log.map(({ kind }) => kind)).toEqual(['started', 'completed']);
    expect(log[0]).toMatchObject({ request_id: 'whole-1', agent_id: 'tester' });
    expect(log.every((row) => WireRow.safeParse(row).success)).toBe(true);
  });

  it('returns the receipt recorded under requestId, and none for an id without one', async () => {
    const recorded = await cluster.advance('whole', 'whole-1');
    expect((await status('whole', { requestId: 'whole-1' })).receipt).toEqual(recorded);
    expect(await status('whole', { requestId: 'never-sent' })).not.toHaveProperty('receipt');
    expect(await status('fresh', { requestId: 'whole-1' })).not.toHaveProperty('receipt');
  });

  it('is running while an attempt is open, with inFlight', async () => {
    const path = '/hold/status';
    await start({
      instanceId: 'busy',
      runbookId: 'post',
      inputs: { url: `${receiver.url}${path}` },
    });
    const receipt = cluster.advance('busy', 'busy-1');
    await receiver.arrived(path);
    const reply = await status('busy', { log: true });
    expect(reply).toMatchObject({ status: 'running', nextCellId: 'call', lastSeq: 1 });
    expect(reply.inFlight).toMatchObject({ cellId: 'call', attempt: 1, requestId: 'busy-1' });
    expect(new Date(reply.inFlight?.since ?? '')).toEqual(
      new Date(reply.log?.[0]?.recorded_at ?? ''),
    );
    expect(reply.cells[0]).toMatchObject({ state: 'running', attempt: 1 });
    receiver.release(path);
    await receipt;
    expect((await status('busy')).status).toBe('completed');
  });

  it('is parked with awaiting, also before the first advance', async () => {
    await start({ instanceId: 'waits', runbookId: 'gate', inputs: { claim: 'nobody-made-it' } });
    const reply = await status('waits');
    expect(reply.awaiting).toEqual({
      cellId: 'approved',
      claimId: 'nobody-made-it',
      statuses: ['approved', 'waived'],
      currentStatus: null,
    });
    expect(reply.status).toBe('parked');
  });

  it('is in_doubt with inDoubt after an unknown outcome, and halted after a failure', async () => {
    await Promise.all([
      start({ instanceId: 'doubted', runbookId: 'doubt' }),
      start({ instanceId: 'broken', runbookId: 'halt' }),
    ]);
    await Promise.all([
      cluster.advance('doubted', 'doubted-1'),
      cluster.advance('broken', 'broken-1'),
    ]);
    const doubted = await status('doubted');
    expect(doubted).toMatchObject({ status: 'in_doubt', nextCellId: 'charge' });
    expect(doubted.inDoubt).toMatchObject({ cellId: 'charge', attempt: 1, reason: 'crash' });
    expect(await status('broken')).toMatchObject({ status: 'halted', lastSeq: 2 });
  });

  it('answers not_found for an instance that was never started', async () => {
    const reply = read(ErrorReply, await cluster.request(cluster.subject('status', 'nowhere'), {}));
    expect(reply.error.code).toBe('not_found');
  });
});

describe('claim', () => {
  it('answers claim, revision and status once committed; revisions count from 1', async () => {
    for (const [index, value] of ['requested', 'rejected', 'requested'].entries()) {
      const reply = read(
        ClaimReply,
        await claim('counted', { status: value, evidence: { n: index } }),
      );
      expect(reply).toEqual({ claimId: 'counted', revision: index + 1, status: value });
      const { rows } = await cluster.app.query(
        'select status, agent_id, evidence from leasehold.claims where claim_id = $1 and revision = $2',
        ['counted', reply.revision],
      );
      expect(rows).toEqual([{ status: value, agent_id: 'tester', evidence: { n: index } }]);
    }
  });

  it('gives each of many at once its own revision', async () => {
    const replies = await Promise.all(
      Array.from({ length: 12 }, (_, index) => claim('crowd', { status: `s${index}` })),
    );
    const revisions = replies.map((reply) => read(ClaimReply, reply).revision);
    expect(revisions.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
  });

  it('counts with its newest revision only', async () => {
    await start({ instanceId: 'fickle', runbookId: 'gate', inputs: { claim: 'fickle' } });
    await claim('fickle', { status: 'approved' });
    await claim('fickle', { status: 'withdrawn' });
    const parked = await cluster.advance('fickle', 'fickle-1');
    expect(parked).toMatchObject({ outcome: 'parked', awaiting: { currentStatus: 'withdrawn' } });
    expect((await status('fickle')).awaiting?.currentStatus).toBe('withdrawn');
    await claim('fickle', { status: 'waived' });
    expect(await cluster.advance('fickle', 'fickle-2')).toMatchObject({ outcome: 'completed' });
  });
});
