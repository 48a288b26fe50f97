import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ServerName, Stack } from '../../tools/stack/servers.ts';
import { watchMachine } from '../harness/busy.ts';
import { changedReceipts, Load } from '../harness/load.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';
import { startPrivateStack } from '../harness/servers.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import { EACH_ONCE, Witness } from '../harness/witness.ts';
import { allReady, readiness } from '../harness/readiness.ts';

const OUTAGE_MS = 20_000;
/** From a server's return until every replica must be ready again. */
const READY_WITHIN_MS = 10_000;

let witness: Witness;

beforeEach(async () => {
  witness = await Witness.start(() => 50);
});
afterEach(() => witness.stop());

describe.each<ServerName>(['etcd', 'nats', 'postgres'])('with a private %s', (name) => {
  let stack: Stack;
  let cluster: TestCluster;

  beforeAll(async () => {
    stack = await startPrivateStack();
    cluster = await TestCluster.start({ replicas: 3, ttlS: 2, servers: stack });
  });
  afterAll(async () => {
    await cluster?.stop();
    await stack?.stop();
  });

  it('that is stopped for 20 s in the middle of load, no effect happens twice and none is lost', async (context) => {
    const machine = await watchMachine();
    const load = await Load.start(cluster, witness, {
      name: 'stopped',
      agents: 12,
      timeoutMs: 6_000,
    });
    await load.served(60);
    const stoppedMs = performance.now();
    await stack.server(name).stop();
    // Replicas whose server is down report why they are not ready.
    const reasons = await eventually(async () => {
      const all = await Promise.all(cluster.replicas.map(readiness));
      return all.every(({ code }) => code === 503) ? all.flatMap((one) => one.reasons) : undefined;
    });
    expect(reasons.join()).toMatch(
      { etcd: /etcd|session|keep-alive/, nats: /NATS/, postgres: /Postgres/ }[name],
    );
    await sleep(OUTAGE_MS - (performance.now() - stoppedMs));
    await stack.server(name).restart();
    const backMs = performance.now();
    await allReady(cluster);
    const readyMs = performance.now() - backMs;
    await load.served(60);
    const servedMs = performance.now() - backMs;
    await load.finish();
    const finishedMs = performance.now() - backMs;

    const meanwhile = load.answers.filter(({ atMs }) => atMs > stoppedMs + 6_000 && atMs < backMs);
    const outcomes = new Map<string, number>();
    for (const { outcome } of meanwhile) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    process.stderr.write(
      `${name} down for 20 s: ready ${Math.round(readyMs)} ms after its return, 60 more requests after ` +
        `${Math.round(servedMs)} ms, all finished after ${Math.round(finishedMs)} ms; meanwhile ` +
        `${JSON.stringify(Object.fromEntries(outcomes))}, ` +
        `${load.silences} requests without an answer\n`,
    );
    // Without NATS no request is answered; otherwise every answer in the later part of the outage
    // is `unavailable`.
    const refused = name === 'nats' ? load.silences : outcomes.get('unavailable');
    expect(refused).toBeGreaterThan(0);
    expect([...outcomes.keys()].filter((outcome) => outcome !== 'unavailable')).toEqual([]);
    await expectNoHarm(cluster, load);
    machine.skipIfBusy(context);
    expect(readyMs).toBeLessThan(READY_WITHIN_MS);
  });

  it('that is killed and started again at once, no effect happens twice and none is lost', async (context) => {
    const machine = await watchMachine();
    const load = await Load.start(cluster, witness, {
      name: 'killed',
      agents: 12,
      timeoutMs: 6_000,
    });
    const before = load.due.length;
    await load.served(60);
    stack.server(name).kill();
    await stack.server(name).restart();
    const backMs = performance.now();
    await allReady(cluster);
    const readyMs = performance.now() - backMs;
    await load.served(60);
    await load.finish();
    process.stderr.write(`${name} killed and restarted: ready after ${Math.round(readyMs)} ms\n`);
    expect(load.due.length).toBeGreaterThan(before);
    await expectNoHarm(cluster, load);
    machine.skipIfBusy(context);
    expect(readyMs).toBeLessThan(READY_WITHIN_MS);
  });
});

describe('with an etcd that was replaced by an older one', () => {
  let stack: Stack;
  let older: Stack;
  let proxy: TcpProxy;
  let cluster: TestCluster;

  beforeAll(async () => {
    stack = await startPrivateStack();
    older = await startPrivateStack({
      given: { natsUrls: stack.natsUrls, postgresUrl: stack.superuserUrl },
    });
    const [etcdUrl = ''] = stack.etcdUrls;
    proxy = await TcpProxy.before(etcdUrl);
    cluster = await TestCluster.start({
      replicas: 2,
      ttlS: 2,
      servers: {
        ...stack,
        natsUrls: stack.natsUrls,
        superuserUrl: stack.superuserUrl,
        etcdUrls: [proxy.url(etcdUrl)],
      },
    });
  });
  afterAll(async () => {
    await cluster?.stop();
    await proxy?.close();
    await Promise.all([older?.stop(), stack?.stop()]);
  });

  it('replicas refuse to lead, say how to fix it, and lead again once its revisions are above the log', async () => {
    await cluster.pushRunbook(calls(20));
    // Tokens far above the first revisions of a new etcd.
    for (let nth = 0; nth < 20; nth += 1) {
      await cluster.start(`early${nth}`, 'calls', { witness: witness.url });
      await cluster.advance(`early${nth}`, `early${nth}-r1`, { maxCells: 1 });
    }
    const { rows } = await cluster.app.query<{ highest: number }>(
      'select max(fencing_token)::float8 as highest from leasehold.executions',
    );
    const highest = rows[0]?.highest ?? 0;
    proxy.redirect(older.etcdUrls[0] ?? '');
    const reasons = await eventually(async () => {
      const all = await Promise.all(cluster.replicas.map(readiness));
      const texts = all.flatMap((one) => one.reasons);
      return all.every(({ code }) => code === 503) &&
        texts.filter((text) => /backup/.test(text)).length === 2
        ? texts
        : undefined;
    });
    expect(reasons.join('\n')).toMatch(
      /below token \d+ in the log: it was restored from a backup or replaced/,
    );
    expect(reasons.join('\n')).toContain(`--bump-revision`);
    const refused = await cluster.advance('early0', 'early0-r2', { maxCells: 1 });
    expect(refused).toMatchObject({ outcome: 'unavailable', steps: [] });
    expect(refused.error?.message).toMatch(/restored from a backup or replaced/);
    expect(witness.of('early0/c1/1')).toEqual([]);

    // The fix that the message names: write to etcd until its revision is above.
    await writeUntil(older.etcdUrls[0] ?? '', highest + 1);
    await allReady(cluster);
    const receipt = await cluster.advance('early0', 'early0-r2', { maxCells: 1 });
    expect(receipt.outcome).toBe('advanced');
    expect(receipt.holder?.fencingToken).toBeGreaterThan(highest);
    expect(witness.of('early0/c1/1')).toHaveLength(1);
  });
});

function calls(cells: number): object {
  return {
    runbook: 'calls',
    version: 1,
    inputs: ['witness'],
    cells: Array.from({ length: cells }, (_, nth) => ({
      id: `c${nth}`,
      exec: { http: { method: 'POST', url: '${inputs.witness}' } },
    })),
  };
}

/** No effect twice, none lost, no replica crashed, and every receipt as it was first sent. */
async function expectNoHarm(cluster: TestCluster, load: Load): Promise<void> {
  expect(load.wrong).toEqual([]);
  expect(witness.tally(load.due)).toEqual(EACH_ONCE);
  expect(await changedReceipts(cluster, load)).toEqual([]);
  for (const replica of cluster.replicas) {
    expect((await fetch(`${replica.httpUrl}/livez`)).status).toBe(200);
    expect(process.kill(replica.pid, 0)).toBe(true);
  }
}

/** Puts a key through etcd's HTTP gateway until etcd's revision is this high. */
async function writeUntil(etcdUrl: string, revision: number): Promise<void> {
  const encoded = Buffer.from('filler').toString('base64');
  for (let at = 0; at < revision;) {
    const response = await fetch(`${etcdUrl}/v3/kv/put`, {
      method: 'POST',
      body: JSON.stringify({ key: encoded, value: encoded }),
    });
    at = Number(((await response.json()) as { header: { revision: string } }).header.revision);
  }
}
