import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Agent } from '../../src/agent/agent.ts';
import { TestCluster } from '../harness/replicas.ts';
import { push, two } from './runbooks.ts';
import { ErrorReply, Receipt, read } from './shapes.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 3 });
  await push(cluster, two);
});

afterAll(() => cluster?.stop());

/** Starts an instance and advances it by one cell; one of the replicas then holds it. */
async function held(instanceId: string) {
  await cluster.start(instanceId, 'two');
  const receipt = read(
    Receipt,
    await cluster.advance<unknown>(instanceId, `${instanceId}-1`, { maxCells: 1 }),
  );
  const holder = receipt.holder?.replicaId ?? '';
  const others = cluster.replicas.map(({ replicaId }) => replicaId).filter((id) => id !== holder);
  expect(others).toHaveLength(2);
  return { holder, others };
}

function sendTo(replicaId: string, instanceId: string, body: unknown): Promise<unknown> {
  return cluster.request<unknown>(
    cluster.subject('replica', replicaId, 'advance', instanceId),
    body,
    20_000,
  );
}

const from = (requestId: string): object => ({ requestId, agentId: 'tester' });

describe.concurrent('an advance that is sent to one replica only', () => {
  it('is served by the replica that holds the instance', async () => {
    const { holder } = await held('served');
    const receipt = read(Receipt, await sendTo(holder, 'served', from('served-2')));
    expect(receipt).toMatchObject({ requestId: 'served-2', outcome: 'completed' });
    expect(receipt.holder?.replicaId).toBe(holder);
  });

  it('is declined by the others with a conflict, and runs nothing', async () => {
    const { others } = await held('declined');
    const answers = await Promise.all(
      others.map((id) => sendTo(id, 'declined', from('declined-2'))),
    );
    for (const answer of answers) expect(read(ErrorReply, answer).error.code).toBe('conflict');
    expect(await cluster.rows('declined')).toHaveLength(2);
  });

  it('is declined for an instance that nobody holds', async () => {
    await cluster.start('free', 'two');
    const answer = await sendTo(cluster.replicas[0]!.replicaId, 'free', from('free-1'));
    expect(read(ErrorReply, answer).error.code).toBe('conflict');
    expect(await cluster.rows('free')).toEqual([]);
  });

  it('is the same request as its broadcast: both get one receipt, and it runs once', async () => {
    const { holder } = await held('both');
    const [direct, broadcast] = await Promise.all([
      sendTo(holder, 'both', from('both-2')),
      cluster.advance<unknown>('both', 'both-2'),
    ]);
    expect(read(Receipt, direct)).toEqual(read(Receipt, broadcast));
    expect(await cluster.rows('both')).toHaveLength(4);
  });

  it.each([
    ['no JSON', '{"agentId":', {}],
    ['a field too many', { ...from('x'), colour: 'red' }, { field: 'colour' }],
    ['no cells', { ...from('x'), maxCells: 0 }, { field: 'maxCells' }],
  ])(
    'is answered as invalid by that replica when it is malformed (%s)',
    async (_what, body, named) => {
      for (const { replicaId } of cluster.replicas) {
        const receipt = read(Receipt, await sendTo(replicaId, 'nothing', body));
        expect(receipt).toMatchObject({ outcome: 'invalid', error: { code: 'invalid', ...named } });
      }
    },
  );

  it('is answered as invalid when the instance in the subject is not an id', async () => {
    const answer = await sendTo(cluster.replicas[0]!.replicaId, 'a.b', from('x'));
    expect(read(Receipt, answer).error).toMatchObject({ code: 'invalid', field: 'subject' });
  });

  it('is how an agent advances an instance that it has advanced before', async () => {
    await cluster.start('agents', 'two');
    const broadcasts: string[] = [];
    const subscription = cluster.nats.subscribe(cluster.subject('advance', 'agents'), {
      callback: (_error, message) =>
        broadcasts.push(message.json<{ requestId: string }>().requestId),
    });
    await cluster.nats.flush();
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace: cluster.namespace,
      servers: [cluster.env['LEASEHOLD_NATS_URLS'] ?? ''],
    });
    try {
      await agent.advance('agents', { requestId: 'agents-1', maxCells: 1 });
      const receipt = await agent.advance('agents', { requestId: 'agents-2', maxCells: 1 });
      expect(receipt.outcome).toBe('completed');
      await cluster.nats.flush();
      expect(broadcasts).toEqual(['agents-1']);
    } finally {
      subscription.unsubscribe();
      await agent.close();
    }
  });
});
