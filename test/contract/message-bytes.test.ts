import { createInbox } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster, eventually } from '../harness/replicas.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';
import { push } from './runbooks.ts';

const MIB = 1024 * 1024;
const MESSAGES = 40;
/** Each message has about a third of a MiB. */
const X = Array.from({ length: 6_000 }, (_, nth) => ({ nth, text: `value ${nth} `.repeat(3) }));

let cluster: TestCluster;
let replica: ReplicaProcess;

beforeAll(async () => {
  cluster = await TestCluster.start();
  const cells = [{ id: 'a', prose: 'x' }];
  await push(cluster, { runbook: 'large', version: 1, inputs: ['x'], cells });
  replica = await cluster.startReplica('a', {
    LEASEHOLD_MAX_MESSAGE_BYTES: String(3 * MIB),
    LEASEHOLD_MAX_MESSAGE_BYTES_PER_AGENT: String(MIB),
  });
}, 120_000);

afterAll(async () => {
  await cluster?.stop();
});

interface Reply {
  instanceId?: string;
  error?: { code: string; message: string };
}

/** How often a limit was reached. */
async function overLimit(limit: string): Promise<number> {
  const text = await (await fetch(`${replica.httpUrl}/metrics`)).text();
  const line = text
    .split('\n')
    .find((one) => one.startsWith(`leasehold_over_limit_total{limit="${limit}"}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** Sends large starts, all at once, and waits for the answers. */
async function startAll(
  count: number,
  message: (nth: number) => { instanceId: string; agentId: string },
): Promise<Reply[]> {
  const inbox = createInbox();
  const replies: Reply[] = [];
  const subscription = cluster.nats.subscribe(inbox, {
    callback: (_error, reply) => void replies.push(reply.json<Reply>()),
  });
  for (let nth = 0; nth < count; nth += 1) {
    const body = { ...message(nth), runbookId: 'large', inputs: { x: X } };
    cluster.nats.publish(cluster.subject('start'), JSON.stringify(body), { reply: inbox });
  }
  await eventually(async () => (replies.length === count ? true : undefined));
  subscription.unsubscribe();
  return replies;
}

const refusedOf = (replies: Reply[]): Reply[] => replies.filter(({ error }) => error !== undefined);

describe('large messages beyond a limit on their bytes', () => {
  it.each([
    {
      limit: 'message_bytes_per_agent',
      agent: () => 'flood',
      text: /messages of agent flood with \d+ bytes .* Ask again later/,
    },
    {
      limit: 'message_bytes',
      agent: (nth: number) => `agent-${nth}`,
      text: /messages of \d+ bytes are being worked on already.* Ask again later/,
    },
  ])(
    'are refused, counted as $limit, and served when they come again',
    async ({ limit, agent, text }) => {
      const before = await overLimit(limit);
      const started = await startAll(MESSAGES, (nth) => ({
        instanceId: `${limit}-${nth}`,
        agentId: agent(nth),
      }));
      const refused = refusedOf(started);
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.length).toBeLessThan(MESSAGES);
      for (const { error } of refused) {
        expect(error).toMatchObject({ code: 'unavailable' });
        expect(error?.message).toMatch(text);
      }
      expect(await overLimit(limit)).toBe(before + refused.length);

      // Nothing is left of what was refused: neither an instance, nor bytes that still count.
      const { rows } = await cluster.app.query<{ id: string }>(
        `select instance_id as id from leasehold.instances where instance_id like $1 || '-%'`,
        [limit],
      );
      expect(rows).toHaveLength(MESSAGES - refused.length);
      const missing = Array.from({ length: MESSAGES }, (_, nth) => `${limit}-${nth}`).find(
        (id) => !rows.some((row) => row.id === id),
      );
      const again = await startAll(1, () => ({ instanceId: String(missing), agentId: 'again' }));
      expect(again).toMatchObject([{ instanceId: missing, created: true }]);
    },
    120_000,
  );
});
