import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import type { ServerName } from '../../tools/stack/servers.ts';
import { watchMachine } from '../harness/busy.ts';
import type { ReplicaProcess } from '../harness/replica-process.ts';
import { eventually, TestCluster } from '../harness/replicas.ts';
import { freshDatabase, serversForTests } from '../harness/servers.ts';
import { TcpProxy } from '../harness/tcp-proxy.ts';
import { Witness } from '../harness/witness.ts';
import { allReady, readiness } from '../harness/readiness.ts';

let witness: Witness;

beforeEach(async () => {
  witness = await Witness.start(() => 50);
});
afterEach(() => witness.stop());

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
    'from %s: the others serve its idle instances within %i ms',
    async ([name, withinMs], context) => {
      const machine = await watchMachine();
      const ids = await heldBy(cut, `${name}-idle`, 5);
      const seen = witness.effects.length;
      proxies.get(name)?.cut();
      const cutMs = performance.now();
      // Cut off from etcd it may serve until its trust window ends, which is what the window is
      // for.
      if (name === 'etcd')
        await eventually(async () => ((await readiness(cut)).code === 503 ? true : undefined));
      const tookMs = await Promise.all(
        ids.map(async (id) => {
          for (;;) {
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
      // The receipt is the same from every replica, however often it is requested.
      for (const id of ids) {
        expect((await cluster.advance(id, `${id}-cut`, { maxCells: 1 })).steps).toHaveLength(2);
        expect(witness.of(`${id}/c1/1`)).toHaveLength(1);
      }
      machine.skipIfBusy(context);
      expect(Math.max(...tookMs)).toBeLessThan(withinMs);
    },
  );

  it('from NATS: it keeps its open attempt, which ends once', async () => {
    const [id = ''] = await heldBy(cut, 'nats-open', 1);
    const answer = witness.hold();
    const begun = cluster.advance(id, `${id}-open`, { maxCells: 1 });
    await witness.until((effects) => effects.find(({ key }) => key === `${id}/c1/1`));
    proxies.get('nats')?.cut();
    const other = await cluster
      .advance(id, `${id}-other`, { maxCells: 1, expiresAt: inMs(3_000) }, 5_000)
      .catch(() => undefined);
    // No other replica may close the attempt: either there is no answer, or it is a refusal.
    expect(['in_flight', 'unavailable', 'expired', undefined]).toContain(other?.outcome);
    const open = await cluster.rows(id);
    expect(open.at(-1)).toMatchObject({ kind: 'started', replica_id: cut.replicaId });
    answer();
    // Cut off from NATS it still records the outcome.
    const rows = await eventually(async () => {
      const all = await cluster.rows(id);
      return all.at(-1)?.kind === 'started' ? undefined : all;
    });
    expect(rows.at(-1)).toMatchObject({ kind: 'completed', replica_id: cut.replicaId });
    // Another replica answers the agent's one request from the recorded receipt.
    expect((await begun).outcome).toBe('advanced');
    expect(witness.of(`${id}/c1/1`)).toHaveLength(1);
  });

  /** Starts instances, and advances each by one cell, until the replica holds this many of them. */
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

function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}
