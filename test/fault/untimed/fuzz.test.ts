import { NatsError } from 'nats';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { malformed, type Malformed } from '../../harness/malformed.ts';
import { seeded } from '../../harness/random.ts';
import { eventually, TestCluster } from '../../harness/replicas.ts';
import type { ReceiptReply } from '../../harness/replies.ts';
import { EACH_ONCE, Witness } from '../../harness/witness.ts';

const SEED = Number(process.env['LEASEHOLD_TEST_FUZZ_SEED'] ?? 1);
const MESSAGES = 10_000;
const BURST = 100;

let cluster: TestCluster;
let witness: Witness;

beforeAll(async () => {
  // The first in rank answers: sessions outlive a replica that gets no CPU time for a while.
  cluster = await TestCluster.start({ replicas: 3, ttlS: 30 });
  witness = await Witness.start();
  await cluster.pushRunbook({
    runbook: 'one-effect',
    version: 1,
    inputs: ['witness'],
    cells: [{ id: 'effect', exec: { http: { method: 'POST', url: '${inputs.witness}' } } }],
  });
});
afterAll(async () => {
  await cluster?.stop();
  await witness?.stop();
});

it(`every one of ${MESSAGES} malformed messages gets a clear answer or is dropped and counted, and affects nothing else`, async () => {
  const random = seeded(SEED);
  const replicaIds = cluster.replicas.map(({ replicaId }) => replicaId);
  const wrong: string[] = [];
  const met = new Map<string, number>();
  const due: string[] = [];
  let counted = 0;
  const send = async (message: Malformed): Promise<void> => {
    const problem = await problemWith(message);
    if (problem !== undefined)
      wrong.push(`${message.subject.slice(0, 60)} (${message.fault}): ${problem}`);
    // A broadcast reaches every replica, and each counts it.
    if (message.answer !== 'no_responders')
      counted += /^(advance|decide|cancel|settle|answered|leaving)/.test(message.subject) ? 3 : 1;
    met.set(message.answer, (met.get(message.answer) ?? 0) + 1);
  };
  const beganMs = performance.now();
  for (let burst = 0; burst < MESSAGES / BURST; burst += 1) {
    const messages = Array.from({ length: BURST }, () => malformed(random, replicaIds));
    const instanceId = `between${burst}`;
    const valid = async (): Promise<void> => {
      await cluster.start(instanceId, 'one-effect', { witness: witness.url });
      const receipt = await cluster.advance(instanceId, `${instanceId}-r`);
      if (receipt.outcome !== 'completed') wrong.push(`${instanceId}: ${JSON.stringify(receipt)}`);
      due.push(`${instanceId}/effect/1`);
    };
    // Every tenth burst has a valid request in its middle.
    await Promise.all([...messages.map(send), ...(burst % 10 === 0 ? [valid()] : [])]);
  }
  const tookMs = Math.round(performance.now() - beganMs);
  process.stderr.write(
    `${MESSAGES} malformed messages in ${tookMs} ms (seed ${SEED}): ${JSON.stringify(Object.fromEntries(met))}\n`,
  );
  expect([...new Set(wrong)].slice(0, 20)).toEqual([]);
  for (const kind of ['error', 'receipt', 'none', 'no_responders'])
    expect(met.get(kind)).toBeGreaterThan(100);
  // A message without an answer may still be in transit.
  await eventually(async () =>
    (await countedAs('malformed_messages')) >= counted ? true : undefined,
  );
  expect(await countedAs('malformed_messages')).toBe(counted);
  expect(witness.tally(due)).toEqual(EACH_ONCE);

  // The same processes, alive and ready, serve the next request.
  for (const { httpUrl, replicaId, pid } of cluster.replicas) {
    expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${httpUrl}/livez`)).json()).toEqual({ alive: true, replicaId });
    expect(process.kill(pid, 0)).toBe(true);
  }
  await cluster.start('afterwards', 'one-effect', { witness: witness.url });
  expect((await cluster.advance('afterwards', 'afterwards-r')).outcome).toBe('completed');
  const { rows } = await cluster.app.query(
    `select instance_id from leasehold.instances where instance_id not like 'between%' and instance_id <> 'afterwards'
     union all select claim_id from leasehold.claims`,
  );
  expect(rows).toEqual([]);
});

/** What is wrong with the answer to a malformed message; undefined when nothing is. */
async function problemWith(message: Malformed): Promise<string | undefined> {
  const subject = cluster.subject(message.subject);
  if (message.answer === 'none') {
    cluster.nats.publish(subject, message.data);
    return undefined;
  }
  let reply: Uint8Array;
  try {
    reply = (await cluster.nats.request(subject, message.data, { timeout: 60_000 })).data;
  } catch (cause) {
    const code = cause instanceof NatsError ? cause.code : String(cause);
    if (code === '503')
      return message.answer === 'no_responders' ? undefined : 'no replica listened';
    return `no answer: ${code}`;
  }
  const text = new TextDecoder('utf-8', { fatal: true }).decode(reply);
  if (message.answer === 'no_responders') return `was answered with ${text.slice(0, 200)}`;
  const body = JSON.parse(text) as ReceiptReply;
  if (message.answer === 'receipt') {
    const { outcome, steps, holder, nextCellId, instanceId } = body;
    const shape = JSON.stringify({ outcome, steps, holder, nextCellId });
    if (shape !== '{"outcome":"invalid","steps":[],"holder":null,"nextCellId":null}')
      return text.slice(0, 300);
    if (instanceId !== message.subject.slice('advance.'.length))
      return `for instance ${instanceId}`;
  }
  const { error } = body;
  if (error?.code !== 'invalid') return text.slice(0, 300);
  if (
    typeof error.message !== 'string' ||
    error.message.length < 10 ||
    error.message.length > 1_000
  )
    return `the message is ${JSON.stringify(error.message)?.slice(0, 300)}`;
  if (message.field !== undefined && error.field !== message.field)
    return `names the field ${JSON.stringify(error.field)} and not ${JSON.stringify(message.field)}`;
  return undefined;
}

/** The sum of a counter over all replicas and labels. */
async function countedAs(name: string): Promise<number> {
  let sum = 0;
  for (const { httpUrl } of cluster.replicas) {
    const text = await (await fetch(`${httpUrl}/metrics`)).text();
    for (const [, value] of text.matchAll(
      new RegExp(`^leasehold_${name}_total\\{[^}]*\\} (\\d+)$`, 'gm'),
    ))
      sum += Number(value);
  }
  return sum;
}
