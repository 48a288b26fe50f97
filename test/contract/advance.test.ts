import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { lossyProxy } from '../harness/lossy-proxy.ts';
import { TestCluster, eventually } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { doubt, gate, halt, post, push, two } from './runbooks.ts';
import { ErrorReply, Event, OUTCOMES, Receipt, StatusReply, read } from './shapes.ts';

let cluster: TestCluster;
let receiver: Receiver;

beforeAll(async () => {
  [cluster, receiver] = await Promise.all([TestCluster.start({ replicas: 3 }), Receiver.listen()]);
  await push(cluster, post, two, gate, doubt, halt);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

const seen = new Set<string>();

async function advance(instanceId: string, requestId: string, more: object = {}, on = cluster) {
  const receipt = read(Receipt, await on.advance<unknown>(instanceId, requestId, more));
  seen.add(receipt.outcome);
  expect(receipt).toMatchObject({ instanceId, requestId });
  return receipt;
}

/** What is recorded under a request id. */
async function recorded(requestId: string): Promise<unknown[]> {
  const { rows } = await cluster.app.query(
    'select instance_id, fencing_token::float8 as token, receipt from leasehold.requests where request_id = $1',
    [requestId],
  );
  return rows;
}

async function expectRecorded(receipt: Awaited<ReturnType<typeof advance>>): Promise<void> {
  expect(await recorded(receipt.requestId ?? '')).toEqual([
    { instance_id: receipt.instanceId, token: receipt.holder?.fencingToken, receipt },
  ]);
}

describe('the receipt of an advance', () => {
  it('completed: has every row that it wrote, holder and token, and is recorded under its id', async () => {
    await cluster.start('complete', 'two');
    const receipt = await advance('complete', 'complete-1');
    expect(receipt).toMatchObject({ outcome: 'completed', nextCellId: null });
    const rows = await cluster.rows('complete');
    expect(receipt.steps).toEqual(
      rows.map(({ seq, cell_id, kind, attempt }) => ({ seq, cellId: cell_id, kind, attempt })),
    );
    expect(rows.map(({ kind }) => kind)).toEqual(['started', 'completed', 'started', 'completed']);
    expect(rows.every((row) => row.request_id === 'complete-1')).toBe(true);
    expect(new Set(rows.map((row) => row.replica_id))).toEqual(
      new Set([receipt.holder?.replicaId]),
    );
    expect(new Set(rows.map((row) => row.fencing_token))).toEqual(
      new Set([receipt.holder?.fencingToken]),
    );
    await expectRecorded(receipt);
  });

  it('is the same for the same id, and nothing runs again', async () => {
    const first = await advance('complete', 'complete-1');
    expect(await advance('complete', 'complete-1')).toEqual(first);
    expect(await cluster.rows('complete')).toHaveLength(4);
  });

  it('advanced: maxCells bounds the exec cells', async () => {
    await cluster.start('partly', 'two');
    const receipt = await advance('partly', 'partly-1', { maxCells: 1, cellId: 'first' });
    expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'second' });
    expect(receipt.steps.map(({ cellId, kind }) => `${cellId} ${kind}`)).toEqual([
      'first started',
      'first completed',
    ]);
    await expectRecorded(receipt);
    expect(await advance('partly', 'partly-2')).toMatchObject({ outcome: 'completed' });
  });

  it('parked: writes no row, and names the claim', async () => {
    await cluster.start('parks', 'gate', { claim: 'parks' });
    const receipt = await advance('parks', 'parks-1');
    expect(receipt).toMatchObject({ outcome: 'parked', steps: [], nextCellId: 'approved' });
    expect(receipt.awaiting).toEqual({
      cellId: 'approved',
      claimId: 'parks',
      statuses: ['approved', 'waived'],
      currentStatus: null,
    });
    expect(await cluster.rows('parks')).toEqual([]);
    await expectRecorded(receipt);
  });

  it('halted: a cell failed and is not retried', async () => {
    await cluster.start('halts', 'halt');
    const receipt = await advance('halts', 'halts-1');
    expect(receipt.outcome).toBe('halted');
    expect(receipt.steps.map(({ kind }) => kind)).toEqual(['started', 'failed']);
    await expectRecorded(receipt);
  });

  it('in_doubt: names cell and attempt, why and since when', async () => {
    await cluster.start('doubts', 'doubt');
    const receipt = await advance('doubts', 'doubts-1');
    const rows = await cluster.rows('doubts');
    expect(rows.map(({ kind }) => kind)).toEqual(['started', 'interrupted']);
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      nextCellId: 'charge',
      inDoubt: { cellId: 'charge', attempt: 1, reason: rows[1]?.body['reason'] },
    });
    await expectRecorded(receipt);
  });

  it('in_flight: another id during a run gets holder, cell and since when, and runs nothing', async () => {
    const path = '/hold/flight';
    await cluster.start('flies', 'post', { url: `${receiver.url}${path}` });
    const first = advance('flies', 'flies-1');
    await receiver.arrived(path);
    const joined = advance('flies', 'flies-1');
    const queued = advance('flies', 'flies-3', { wait: true });
    const busy = await advance('flies', 'flies-2');
    expect(busy).toMatchObject({
      outcome: 'in_flight',
      inFlight: { cellId: 'call', attempt: 1, requestId: 'flies-1' },
    });
    receiver.release(path);
    const receipt = await first;
    expect(receipt).toMatchObject({ outcome: 'completed', holder: busy.holder });
    expect(await joined, 'the same id joins the run').toEqual(receipt);
    expect(await queued, 'wait: true queues').toMatchObject({ outcome: 'completed', steps: [] });
    expect(await recorded('flies-2')).toEqual([]);
    expect(receiver.count(path)).toBe(1);
    expect(await advance('flies', 'flies-2'), 'the same id again').toMatchObject({
      outcome: 'completed',
    });
  });

  it('out_of_order: names the cell that is next', async () => {
    await cluster.start('order', 'two');
    const receipt = await advance('order', 'order-1', { cellId: 'second' });
    expect(receipt).toMatchObject({ outcome: 'out_of_order', nextCellId: 'first' });
    expect(receipt.error?.message).toContain('first');
    expect(await recorded('order-1')).toEqual([]);
    expect(await cluster.rows('order')).toEqual([]);
  });

  it('not_found: no such instance', async () => {
    expect(await advance('nowhere', 'nowhere-1')).toMatchObject({
      outcome: 'not_found',
      nextCellId: null,
    });
    expect(await recorded('nowhere-1')).toEqual([]);
  });

  it('expired: expiresAt lies in the past', async () => {
    await cluster.start('late', 'two');
    const expiresAt = new Date(Date.now() - 1_000).toISOString();
    expect((await advance('late', 'late-1', { expiresAt })).outcome).toBe('expired');
    expect(await recorded('late-1')).toEqual([]);
    expect(await cluster.rows('late')).toEqual([]);
    const inTime = new Date(Date.now() + 60_000).toISOString();
    expect((await advance('late', 'late-1', { expiresAt: inTime })).outcome).toBe('completed');
  });

  it('invalid: names the field', async () => {
    await cluster.start('wrong', 'two');
    const receipt = await advance('wrong', 'wrong-1', { colour: 'red' });
    expect(receipt).toMatchObject({ outcome: 'invalid', error: { field: 'colour' } });
    expect(await recorded('wrong-1')).toEqual([]);
  });

  it('unavailable: the replica cannot reach Postgres; start, status and claim answer so too', async () => {
    const alone = await TestCluster.start();
    const url = new URL(alone.env['LEASEHOLD_DATABASE_URL'] ?? '');
    const proxy = await lossyProxy(url.hostname, Number(url.port));
    try {
      url.port = String(proxy.port);
      await push(alone, two);
      await alone.startReplica('cut', { LEASEHOLD_DATABASE_URL: url.href });
      await alone.start('cut-off', 'two');
      await proxy.close();
      const receipt = await advance('cut-off', 'cut-off-1', {}, alone);
      expect(receipt).toMatchObject({ outcome: 'unavailable' });
      for (const [verb, body] of [
        ['status.cut-off', {}],
        ['start', { instanceId: 'x', runbookId: 'two', inputs: {}, agentId: 'tester' }],
        ['claim.x', { status: 'x', agentId: 'tester' }],
      ] as const) {
        const reply = read(ErrorReply, await alone.request(alone.subject(verb), body));
        expect(reply.error.code, `to ${verb}`).toBe('unavailable');
      }
      expect(await alone.rows('cut-off')).toEqual([]);
    } finally {
      await alone.stop();
    }
  });

  it('cancelled: nothing runs any more, and that is recorded', async () => {
    await cluster.start('ended', 'two');
    const cancel = { agentId: 'tester', reason: 'enough' };
    await cluster.request(cluster.subject('cancel', 'ended'), cancel);
    const receipt = await advance('ended', 'ended-1');
    expect(receipt).toMatchObject({ outcome: 'cancelled', steps: [], nextCellId: null });
    await expectRecorded(receipt);
  });

  it('was seen with every outcome of the contract', () => {
    expect([...seen].toSorted()).toEqual([...OUTCOMES].toSorted());
  });
});

describe('the event of a commit', () => {
  it('is published once per commit, with the rows in the columns of executions, status and receipt', async () => {
    const events: unknown[] = [];
    const subscription = cluster.nats.subscribe(cluster.subject('event', 'shown'), {
      callback: (_error, message) => void events.push(message.json()),
    });
    await cluster.nats.flush();
    await cluster.start('shown', 'gate', { claim: 'shown' });
    await cluster.request(cluster.subject('claim', 'shown'), {
      status: 'waived',
      agentId: 'tester',
    });
    const receipt = await advance('shown', 'shown-1');
    expect(receipt.outcome).toBe('completed');
    const { rows } = await cluster.app.query<{
      seq: number;
      xmin: string;
      row: Record<string, unknown>;
    }>(
      `select seq::int, xmin::text, to_jsonb(e) - 'xid' as row from leasehold.executions e
         where instance_id = 'shown' order by seq`,
    );
    expect(rows).toHaveLength(3);
    const commits = [...new Set(rows.map(({ xmin }) => xmin))];
    await eventually(async () => (events.length >= commits.length ? true : undefined));
    // Any further event would have arrived before the answer to a later request.
    await advance('shown', 'shown-2');
    subscription.unsubscribe();
    const published = events
      .map((event) => read(Event, event))
      .filter(({ rows: some }) => some.length > 0);
    expect(published).toHaveLength(commits.length);
    for (const [index, event] of published.entries()) {
      const committed = rows.filter(({ xmin }) => xmin === commits[index]);
      expect(event.instanceId).toBe('shown');
      expect(event.rows.map((row) => ({ ...row, recorded_at: new Date(row.recorded_at) }))).toEqual(
        committed.map(({ row }) => ({
          ...row,
          recorded_at: new Date(row['recorded_at'] as string),
        })),
      );
    }
    expect(published.map((event) => event.status)).toEqual([
      ...published.slice(1).map(() => 'running'),
      'completed',
    ]);
    expect(published.at(-1)?.receipt).toEqual(receipt);
    expect(published.slice(0, -1).every((event) => event.receipt === undefined)).toBe(true);
  });

  it('agrees with the current status', async () => {
    expect(read(StatusReply, await cluster.status('shown')).status).toBe('completed');
  });
});
