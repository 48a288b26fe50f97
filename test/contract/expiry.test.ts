import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { post, push } from './runbooks.ts';
import { Receipt, read } from './shapes.ts';

let cluster: TestCluster;
let receiver: Receiver;

beforeAll(async () => {
  [cluster, receiver] = await Promise.all([TestCluster.start({ replicas: 2 }), Receiver.listen()]);
  await push(cluster, post);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

/** Keeps an instance busy for that time; returns the outcomes of the requests queued behind it. */
async function queuedFor(instanceId: string, forMs: number, requests: Record<string, object>) {
  const path = `/hold/${instanceId}`;
  await cluster.start(instanceId, 'post', { url: `${receiver.url}${path}` });
  const first = cluster.advance(instanceId, `${instanceId}-first`, {}, 60_000);
  await receiver.arrived(path);
  const queued = Object.entries(requests).map(async ([name, more]) => {
    const reply = await cluster.advance<unknown>(instanceId, name, { wait: true, ...more }, 60_000);
    return [name, read(Receipt, reply).outcome];
  });
  await sleep(forMs);
  receiver.release(path);
  expect(await first).toMatchObject({ outcome: 'completed' });
  return Object.fromEntries(await Promise.all(queued)) as Record<string, string>;
}

it('an advance that names no expiry may be admitted for 30 s, and not for longer', async () => {
  const inAMinute = { expiresAt: new Date(Date.now() + 60_000).toISOString() };
  const inASecond = { expiresAt: new Date(Date.now() + 1_000).toISOString() };
  const [before, after] = await Promise.all([
    queuedFor('before', 27_000, {
      'default-27': {},
      'minute-27': inAMinute,
      'second-27': inASecond,
    }),
    queuedFor('after', 31_500, { 'default-31': {}, 'minute-31': inAMinute }),
  ]);
  expect(before).toEqual({
    'default-27': 'completed',
    'minute-27': 'completed',
    'second-27': 'expired',
  });
  expect(after).toEqual({ 'default-31': 'expired', 'minute-31': 'completed' });
});
