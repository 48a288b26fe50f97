import { randomUUID } from 'node:crypto';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Agent } from '../../../src/agent/agent.ts';
import type { Receipt } from '../../../src/request/receipt.ts';
import { eventually, TestCluster } from '../../harness/replicas.ts';
import { freshDatabase, serversForTests } from '../../harness/servers.ts';

/*
 * Enqueued requests on real replicas and servers: what each of them comes to. That none is lost
 * while replicas and servers die is shown in test/fault/untimed/enqueue.test.ts.
 */

let cluster: TestCluster;
let agent: Agent;

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 2 });
  const step = { command: ['true'] };
  for (const runbook of [
    { runbook: 'steps', cells: ['one', 'two', 'three'].map((id) => ({ id, exec: step })) },
    { runbook: 'slow', cells: [{ id: 'one', exec: { command: ['sleep', '0.5'] } }] },
    {
      runbook: 'gate',
      cells: [{ id: 'go', await: { claim: 'never', statuses: ['yes'] } }],
    },
    { runbook: 'lost', cells: [{ id: 'one', exec: { command: ['sh', '-c', 'kill -KILL $$'] } }] },
  ])
    await cluster.pushRunbook({ version: 1, inputs: [], ...runbook });
  agent = await Agent.connect({
    agentId: 'ann',
    namespace: cluster.namespace,
    servers: [...cluster.servers.natsUrls],
  });
});

afterAll(async () => {
  await agent?.close();
  await cluster?.stop();
});

/** A recorded receipt, with the columns of its row. */
interface Recorded {
  receipt: Receipt;
  agentId: string | null;
  fencingToken: number;
}

/** What is recorded for a request, once it is. */
function recorded(requestId: string): Promise<Recorded> {
  return eventually(async () => {
    const { rows } = await cluster.app.query<Recorded>(
      `select receipt, agent_id as "agentId", fencing_token::float8 as "fencingToken"
         from leasehold.requests where request_id = $1`,
      [requestId],
    );
    return rows[0];
  });
}

async function enqueued(instanceId: string, more: object = {}): Promise<Recorded> {
  const { requestId } = await agent.enqueue(instanceId, more);
  return recorded(requestId);
}

async function started(runbookId: string): Promise<string> {
  const instanceId = `i-${randomUUID()}`;
  await agent.start(instanceId, { runbookId });
  return instanceId;
}

/** Puts any body into the stream; returns its place there. */
async function put(instanceId: string, body: unknown): Promise<number> {
  const reply = await cluster.request<{ seq: number }>(
    cluster.subject('enqueue', instanceId),
    body,
    5_000,
  );
  return reply.seq;
}

interface Poison {
  seq: number;
  subject: string;
  reason: string;
  body: string;
}

async function poison(): Promise<Poison[]> {
  const { code, stdout } = await cluster.cli(['requests', '--poison', '--json']);
  expect(code).toBe(0);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Poison);
}

/** The one with this text in its body, once it is there. */
function poisonWith(text: string): Promise<Poison> {
  return eventually(async () => (await poison()).find(({ body }) => body.includes(text)));
}

describe('an enqueued request', () => {
  it('is advanced and receipted, with its agent, and repeated it runs nothing', async () => {
    const instanceId = await started('steps');
    const { requestId, stream, seq } = await agent.enqueue(instanceId, { maxCells: 2 });
    expect({ stream, seq: typeof seq }).toEqual({
      stream: `LEASEHOLD_${cluster.namespace}_ENQUEUE`,
      seq: 'number',
    });
    const first = await recorded(requestId);
    expect(first).toMatchObject({
      agentId: 'ann',
      receipt: { outcome: 'advanced', nextCellId: 'three', holder: {} },
    });
    await agent.enqueue(instanceId, { requestId, maxCells: 2 });
    expect(await enqueued(instanceId)).toMatchObject({ receipt: { outcome: 'completed' } });
    expect(await recorded(requestId)).toEqual(first);
    expect(await agent.status(instanceId, { requestId })).toMatchObject({
      status: 'completed',
      receipt: first.receipt,
    });
    expect(await cluster.rows(instanceId)).toHaveLength(6);
  });

  it.each([
    ['gate', 'parked'],
    ['lost', 'in_doubt'],
  ])('on an instance of %s is receipted %s', async (runbookId, outcome) => {
    expect(await enqueued(await started(runbookId))).toMatchObject({ receipt: { outcome } });
  });

  it('that is out of order, expired or invalid is refused for good, under the lease', async () => {
    const instanceId = await started('gate');
    await agent.advance(instanceId);
    const outOfOrder = await enqueued(instanceId, { cellId: 'other' });
    expect(outOfOrder.receipt).toMatchObject({
      outcome: 'out_of_order',
      nextCellId: 'go',
      error: { field: 'cellId' },
    });
    expect(outOfOrder.fencingToken).toBe(outOfOrder.receipt.holder?.fencingToken);
    const past = new Date(Date.now() - 60_000);
    expect((await enqueued(instanceId, { expiresAt: past })).receipt).toMatchObject({
      outcome: 'expired',
      holder: {},
    });
    const requestId = randomUUID();
    await put(instanceId, { requestId, agentId: 'bob', wait: true });
    expect(await recorded(requestId)).toMatchObject({
      agentId: 'bob',
      receipt: { outcome: 'invalid', holder: {}, error: { field: 'wait' } },
    });
    // None of them has moved the instance, nor its line in the projection.
    expect(await agent.status(instanceId)).toMatchObject({ status: 'parked', lastSeq: 0 });
    const listed = await cluster.cli(['list', '--json', '--status', 'parked']);
    expect(listed.stdout).toContain(instanceId);
  });

  it('on no instance is refused without a lease', async () => {
    const none = `none-${randomUUID()}`;
    expect(await enqueued(none)).toMatchObject({
      agentId: 'ann',
      fencingToken: 0,
      receipt: { outcome: 'not_found', holder: null, steps: [], nextCellId: null },
    });
    const requestId = randomUUID();
    await put(none, { requestId, agentId: 'not an id' });
    expect(await recorded(requestId)).toMatchObject({
      agentId: null,
      fencingToken: 0,
      receipt: { outcome: 'invalid', error: { field: 'agentId' } },
    });
  });

  it('waits while another request is in the way, also an agent’s', async () => {
    const instanceId = await started('slow');
    const advanced = agent.advance(instanceId);
    await eventually(async () => ((await cluster.rows(instanceId)).length > 0 ? true : undefined));
    const { requestId } = await agent.enqueue(instanceId);
    expect(await advanced).toMatchObject({ outcome: 'completed' });
    expect(await recorded(requestId)).toMatchObject({
      receipt: { outcome: 'completed', steps: [] },
    });
  });

  it('leaves nothing in the stream, and its lag can be seen', async () => {
    const seen = eventually(async () => {
      const texts = await Promise.all(
        cluster.replicas.map(async ({ httpUrl }) => (await fetch(`${httpUrl}/metrics`)).text()),
      );
      return texts.every(
        (text) =>
          /^leasehold_enqueued_requests 0$/m.test(text) &&
          /^leasehold_enqueued_lag_seconds 0$/m.test(text),
      )
        ? true
        : undefined;
    });
    await expect(seen).resolves.toBe(true);
  });
});

describe('a message that cannot be served', () => {
  it('is kept with the reason, and can be enqueued again', async () => {
    const mark = randomUUID();
    await put('some', `{"requestId": "${mark}`);
    const kept = await poisonWith(mark);
    expect(kept.subject).toBe(cluster.subject('enqueue', 'some'));
    expect(kept.reason).toContain('no readable request id');
    const again = await cluster.cli(['requests', '--resend', String(kept.seq), '--json']);
    expect(again).toMatchObject({ code: 0 });
    expect(JSON.parse(again.stdout)).toMatchObject({
      stream: `LEASEHOLD_${cluster.namespace}_ENQUEUE`,
    });
    const next = await eventually(async () =>
      (await poison()).find(({ seq, body }) => seq > kept.seq && body.includes(mark)),
    );
    expect(next.reason).toBe(kept.reason);
    expect(await cluster.cli(['requests', '--resend', '99999', '--json'])).toMatchObject({
      code: 3,
    });
  });

  it('is one whose request id belongs to another instance, or to the replicas', async () => {
    const { requestId } = await agent.enqueue(await started('steps'));
    await recorded(requestId);
    const instanceId = await started('steps');
    await put(instanceId, { requestId, agentId: 'ann' });
    expect((await poisonWith(requestId)).reason).toContain('was used for instance');
    const own = `auto_${randomUUID()}`;
    await put(instanceId, { requestId: own, agentId: 'ann' });
    expect((await poisonWith(own)).reason).toContain('the replicas');
    expect(await cluster.rows(instanceId)).toEqual([]);
  });
});

it('the command line enqueues, and lists what is recorded', async () => {
  const instanceId = await started('steps');
  const requestId = randomUUID();
  const argv = ['enqueue', instanceId, '--request-id', requestId, '--agent', 'cy', '--json'];
  const { code, stdout } = await cluster.cli(argv);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ instanceId, requestId, stream: expect.any(String) });
  await recorded(requestId);
  const listed = await cluster.cli(['requests', '--sent-by', 'cy', '--json']);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    requestId,
    instanceId,
    outcome: 'completed',
    agentId: 'cy',
  });
  expect((await cluster.cli(['requests', '--instance', instanceId])).stdout).toContain('completed');
});

describe('where the stream is another one’s', () => {
  it('an agent learns its name, and the replicas serve everything else', async () => {
    const nats = serversForTests();
    const foreign = await TestCluster.start({
      servers: { ...nats, superuserUrl: await freshDatabase() },
    });
    try {
      const name = `LEASEHOLD_${foreign.namespace}_ENQUEUE`;
      const jsm = await foreign.nats.jetstreamManager();
      await jsm.streams.add({ name, subjects: [`else.${foreign.namespace}`] });
      await foreign.startReplica('a');
      const step = { id: 'one', exec: { command: ['true'] } };
      await foreign.pushRunbook({ runbook: 'r', version: 1, inputs: [], cells: [step] });
      await foreign.start('i', 'r');
      const told = await eventually(async () => {
        const reply = await foreign
          .request<{ error?: { code: string; message: string } }>(
            foreign.subject('enqueue', 'i'),
            { requestId: 'q', agentId: 'ann' },
            500,
          )
          .catch(() => undefined);
        return reply?.error;
      });
      expect(told).toMatchObject({ code: 'unavailable' });
      expect(told.message).toContain(`${name} is not Leasehold's`);
      expect(await foreign.advance('i', 'other')).toMatchObject({ outcome: 'completed' });
      expect((await jsm.streams.info(name)).config.subjects).toEqual([`else.${foreign.namespace}`]);
    } finally {
      await foreign.stop();
    }
  });
});
