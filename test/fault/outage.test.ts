import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ServerName, Stack } from '../../tools/stack/servers.ts';
import { watchMachine } from '../harness/busy.ts';
import { changedReceipts, Load } from '../harness/load.ts';
import { eventually, TestCluster, type ReplicaProcess } from '../harness/replicas.ts';
import { freshDatabase, serversForTests, startPrivateStack } from '../harness/servers.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import { EACH_ONCE, Witness } from '../harness/witness.ts';

const OUTAGE_MS = 20_000;
/** From a server's return until every replica must be ready again. */
const READY_WITHIN_MS = 10_000;

let witness: Witness;

beforeEach(async () => {
  witness = await Witness.start(() => 50);
});
afterEach(() => witness.stop());

describe.each<ServerName>(['etcd', 'nats', 'postgres'])('with a %s of its own', (name) => {
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
    // Replicas whose server is away say so, and why.
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
    const told = new Map<string, number>();
    for (const { outcome } of meanwhile) told.set(outcome, (told.get(outcome) ?? 0) + 1);
    process.stderr.write(
      `${name} away for 20 s: ready ${Math.round(readyMs)} ms after its return, 60 requests more after ` +
        `${Math.round(servedMs)} ms, all at their end after ${Math.round(finishedMs)} ms; meanwhile ` +
        `${JSON.stringify(Object.fromEntries(told))}, ` +
        `${load.silences} requests without an answer\n`,
    );
    // Without NATS nobody is told anything; else every answer in the later part of the outage is
    // `unavailable`.
    const refused = name === 'nats' ? load.silences : told.get('unavailable');
    expect(refused).toBeGreaterThan(0);
    expect([...told.keys()].filter((outcome) => outcome !== 'unavailable')).toEqual([]);
    await expectAllWell(cluster, load);
    machine.skipIfBusy(context);
    expect(readyMs).toBeLessThan(READY_WITHIN_MS);
  });

  it('that is killed and started again at once, neither', async (context) => {
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
    await expectAllWell(cluster, load);
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

  it('replicas refuse to lead, say how to mend it, and lead again once its revisions are above the log', async () => {
    await cluster.pushRunbook(calls(20));
    // Tokens far above what a fresh etcd counts from.
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
      /below token \d+ in the log\. It was restored from a backup or replaced/,
    );
    expect(reasons.join('\n')).toContain(`--bump-revision`);
    const refused = await cluster.advance('early0', 'early0-r2', { maxCells: 1 });
    expect(refused).toMatchObject({ outcome: 'unavailable', steps: [] });
    expect(refused.error?.message).toMatch(/restored from a backup or replaced/);
    expect(witness.of('early0/c1/1')).toEqual([]);

    // The mend that it names: write to it until its revision is above.
    await writeUntil(older.etcdUrls[0] ?? '', highest + 1);
    await allReady(cluster);
    const receipt = await cluster.advance('early0', 'early0-r2', { maxCells: 1 });
    expect(receipt.outcome).toBe('advanced');
    expect(receipt.holder?.fencingToken).toBeGreaterThan(highest);
    expect(witness.of('early0/c1/1')).toHaveLength(1);
  });
});

describe('one replica of three cut off', () => {
  let cluster: TestCluster;
  let cut: ReplicaProcess;
  const proxies = new Map<ServerName, TcpProxy>();

  beforeAll(async () => {
    cluster = await TestCluster.start({
      replicas: 2,
      ttlS: 2,
      servers: { ...serversForTests(), superuserUrl: await freshDatabase() },
    });
    await cluster.pushRunbook(calls(8));
    const env: NodeJS.ProcessEnv = {};
    for (const [name, variable] of [
      ['etcd', 'LEASEHOLD_ETCD_URLS'],
      ['nats', 'LEASEHOLD_NATS_URLS'],
      ['postgres', 'LEASEHOLD_DATABASE_URL'],
    ] as const) {
      const url = cluster.env[variable] ?? '';
      const proxy = await TcpProxy.before(url);
      proxies.set(name, proxy);
      env[variable] = proxy.url(url);
    }
    cut = await cluster.startReplica('cut', env);
  });
  afterAll(async () => {
    for (const proxy of proxies.values()) await proxy.close();
    await cluster?.stop();
  });
  afterEach(async () => {
    for (const proxy of proxies.values()) proxy.heal();
    await allReady(cluster);
  });

  it.for<[ServerName, number]>([
    ['postgres', 3_800],
    ['etcd', 4_500],
    ['nats', 2_500],
  ])(
    'from %s: its idle instances are served by the others within %i ms',
    async ([name, withinMs], context) => {
      const machine = await watchMachine();
      const ids = await heldBy(cut, `${name}-idle`, 5);
      const seen = witness.effects.length;
      proxies.get(name)?.cut();
      const cutMs = performance.now();
      // Cut from etcd it may serve for as long as its trust window lasts, which is the point of one.
      if (name === 'etcd')
        await eventually(async () => ((await readiness(cut)).code === 503 ? true : undefined));
      const tookMs = await Promise.all(
        ids.map(async (id) => {
          for (let asked = 1; ; asked += 1) {
            const receipt = await cluster.advance(id, `${id}-cut`, { maxCells: 1 });
            if (receipt.outcome === 'unavailable' && receipt.steps.length === 0) {
              await sleep(20);
              continue;
            }
            expect(receipt.outcome).toBe('advanced');
            expect(receipt.holder?.replicaId).not.toBe(cut.replicaId);
            return performance.now() - cutMs;
          }
        }),
      );
      process.stderr.write(
        `cut from ${name}: served elsewhere after ${tookMs.map(Math.round).join(', ')} ms\n`,
      );
      expect(witness.effects.length - seen).toBe(ids.length);
      expect(witness.tally(witness.effects.map(({ key }) => key)).repeated).toEqual([]);
      // The receipt is the same whoever is asked, and however often.
      for (const id of ids) {
        expect((await cluster.advance(id, `${id}-cut`, { maxCells: 1 })).steps).toHaveLength(2);
        expect(witness.of(`${id}/c1/1`)).toHaveLength(1);
      }
      machine.skipIfBusy(context);
      expect(Math.max(...tookMs)).toBeLessThan(withinMs);
    },
  );

  it('from NATS: an open attempt is left to it, and ends once', async () => {
    const [id = ''] = await heldBy(cut, 'nats-open', 1);
    const answer = witness.hold();
    const begun = cluster.advance(id, `${id}-open`, { maxCells: 1 });
    await witness.until((effects) => effects.find(({ key }) => key === `${id}/c1/1`));
    proxies.get('nats')?.cut();
    const other = await cluster
      .advance(id, `${id}-other`, { maxCells: 1, expiresAt: inMs(3_000) }, 5_000)
      .catch(() => undefined);
    // Nobody else may say anything of the attempt: either nobody answers, or the answer is a
    // refusal.
    expect(['in_flight', 'unavailable', 'expired', undefined]).toContain(other?.outcome);
    const open = await cluster.rows(id);
    expect(open.at(-1)).toMatchObject({ kind: 'started', replica_id: cut.replicaId });
    answer();
    // Cut off from NATS it still writes down what became of it.
    const rows = await eventually(async () => {
      const all = await cluster.rows(id);
      return all.at(-1)?.kind === 'started' ? undefined : all;
    });
    expect(rows.at(-1)).toMatchObject({ kind: 'completed', replica_id: cut.replicaId });
    // The agent's one request is answered by another from the record.
    expect((await begun).outcome).toBe('advanced');
    expect(witness.of(`${id}/c1/1`)).toHaveLength(1);
  });

  /** Starts instances, and moves each by one cell, until the replica holds so many of them. */
  async function heldBy(replica: ReplicaProcess, prefix: string, count: number): Promise<string[]> {
    const held: string[] = [];
    for (let nth = 1; held.length < count; nth += 1) {
      const id = `${prefix}${nth}`;
      await cluster.start(id, 'calls', { witness: witness.url });
      const receipt = await cluster.advance(id, `${id}-r0`, { maxCells: 1 });
      if (receipt.holder?.replicaId === replica.replicaId) held.push(id);
    }
    return held;
  }
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

/** Nothing twice, nothing lost, nobody crashed, every receipt as it was first given. */
async function expectAllWell(cluster: TestCluster, load: Load): Promise<void> {
  expect(load.wrong).toEqual([]);
  expect(witness.tally(load.due)).toEqual(EACH_ONCE);
  expect(await changedReceipts(cluster, load)).toEqual([]);
  for (const replica of cluster.replicas) {
    expect((await fetch(`${replica.httpUrl}/livez`)).status).toBe(200);
    expect(process.kill(replica.pid, 0)).toBe(true);
  }
}

async function readiness(replica: ReplicaProcess): Promise<{ code: number; reasons: string[] }> {
  const response = await fetch(`${replica.httpUrl}/readyz`);
  const { reasons } = (await response.json()) as { reasons: string[] };
  return { code: response.status, reasons };
}

async function allReady(cluster: TestCluster): Promise<void> {
  await eventually(async () => {
    const all = await Promise.all(cluster.replicas.map(readiness));
    return all.every(({ code }) => code === 200) ? true : undefined;
  });
}

/** Puts a key by etcd's own HTTP gateway until its revision is there. */
async function writeUntil(etcdUrl: string, revision: number): Promise<void> {
  const encoded = Buffer.from('mend').toString('base64');
  for (let at = 0; at < revision;) {
    const response = await fetch(`${etcdUrl}/v3/kv/put`, {
      method: 'POST',
      body: JSON.stringify({ key: encoded, value: encoded }),
    });
    at = Number(((await response.json()) as { header: { revision: string } }).header.revision);
  }
}

function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}
