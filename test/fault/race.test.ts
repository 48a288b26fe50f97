import { connect, type NatsConnection } from 'nats';
import { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { untilAvailable, watchMachine } from '../harness/busy.ts';
import { withoutIntent } from '../harness/controls.ts';
import { seeded } from '../harness/random.ts';
import { TestCluster } from '../harness/replicas.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import { advanceTwice } from '../harness/two-holders.ts';
import { EACH_ONCE, Witness } from '../harness/witness.ts';

const RUNBOOK = {
  runbook: 'one-effect',
  version: 1,
  inputs: ['witness'],
  cells: [
    {
      id: 'effect',
      exec: { http: { method: 'POST', url: '${inputs.witness}', body: { by: 'cell' } } },
    },
  ],
};

const SEED = Number(process.env['LEASEHOLD_TEST_RACE_SEED'] ?? 1);

describe('advances that race', () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    // A replica that gets no CPU time for a while is still trusted: nobody takes over here.
    cluster = await TestCluster.start({ replicas: 3, ttlS: 30 });
    await cluster.pushRunbook(RUNBOOK);
  });
  afterAll(() => cluster?.stop());

  describe('negative controls, on the real Postgres', () => {
    it('an engine that checks, runs and then inserts at max + 1 runs the effect twice, and its log shows one', async () => {
      const witness = await Witness.start(() => 20);
      const superuser = new Pool({ connectionString: cluster.servers.superuserUrl, max: 4 });
      try {
        await superuser.query(
          `create table public.naive (instance_id text, seq bigint, cell_id text, primary key (instance_id, seq))`,
        );
        const advance = async (): Promise<'ran' | 'nothing to do' | 'row refused'> => {
          const { rows: history } = await superuser.query<{ cell_id: string }>(
            `select cell_id from public.naive where instance_id = 'naive1'`,
          );
          if (history.some(({ cell_id }) => cell_id === 'effect')) return 'nothing to do';
          const next = history.length + 1;
          await fetch(witness.url, {
            method: 'POST',
            headers: { 'Idempotency-Key': 'naive1/effect/1' },
          });
          const inserted = await superuser.query(
            `insert into public.naive values ('naive1', $1, 'effect') on conflict do nothing`,
            [next],
          );
          return inserted.rowCount === 1 ? 'ran' : 'row refused';
        };
        const both = await Promise.all([advance(), advance()]);
        const { rows: log } = await superuser.query('select * from public.naive');
        expect(both.toSorted()).toEqual(['ran', 'row refused']);
        expect(log).toHaveLength(1);
        expect(witness.tally(['naive1/effect/1'])).toEqual({
          ...EACH_ONCE,
          repeated: ['naive1/effect/1'],
        });
        // A later advance finds the row, so only a race shows the bug.
        expect(await advance()).toBe('nothing to do');
      } finally {
        await superuser.end();
        await witness.stop();
      }
    });

    it('the shipped advance without its intent runs the effect twice; with its intent, once', async () => {
      const witness = await Witness.start(() => 20);
      const { app, namespace, env } = cluster;
      const databaseUrl = env['LEASEHOLD_DATABASE_URL'] ?? '';
      const race = async (instanceId: string, around: typeof withoutIntent) => {
        await cluster.start(instanceId, 'one-effect', { witness: witness.url });
        const receipts = await advanceTwice({ databaseUrl, namespace, instanceId, around });
        const log = await app.query<{ kind: string }>(
          'select kind from leasehold.executions where instance_id = $1 order by seq',
          [instanceId],
        );
        return { receipts, kinds: log.rows.map(({ kind }) => kind) };
      };
      try {
        const bare = await race('bare', withoutIntent);
        expect(witness.of('bare/effect/1')).toHaveLength(2);
        expect(bare.kinds).toEqual(['started', 'completed']);
        expect(witness.tally(['bare/effect/1']).repeated).toEqual(['bare/effect/1']);

        for (let nth = 1; nth <= 20; nth += 1) {
          const shipped = await race(`shipped${nth}`, (log) => log);
          expect(witness.of(`shipped${nth}/effect/1`)).toHaveLength(1);
          expect(shipped.kinds).toEqual(['started', 'completed']);
          expect(
            shipped.receipts.filter((receipt) => (receipt?.steps.length ?? 0) > 0),
          ).toHaveLength(1);
        }
      } finally {
        await witness.stop();
      }
    });
  });

  it('in 1,000 races of 2 to 8 simultaneous advances over 3 replicas every effect happens exactly once', async (context) => {
    const machine = await watchMachine();
    const refused: ReceiptReply[] = [];
    const random = seeded(SEED);
    // Some effects end before the slowest rival arrives, some after, so rivals lose in both ways.
    const witness = await Witness.start((effect) => (effect.key.length * 7 + effect.token) % 25);
    const connections: NatsConnection[] = await Promise.all(
      Array.from({ length: 8 }, () => connect({ servers: [...cluster.servers.natsUrls] })),
    );
    const due: string[] = [];
    const wrong: string[] = [];
    const outcomes = new Map<string, number>();
    const holders = new Set<string>();
    const race = async (instanceId: string): Promise<void> => {
      await cluster.start(instanceId, 'one-effect', { witness: witness.url });
      due.push(`${instanceId}/effect/1`);
      const racers = 2 + Math.floor(random() * 7);
      const first = Math.floor(random() * connections.length);
      // In every fourth race the racers arrive some milliseconds apart, some after the first has
      // finished.
      const spreadMs = random() < 0.25 ? 150 : 0;
      const receipts = await Promise.all(
        Array.from({ length: racers }, async (_, racer) => {
          if (spreadMs > 0)
            await new Promise((resolve) => setTimeout(resolve, random() * spreadMs));
          const connection = connections[(first + racer) % connections.length];
          if (connection === undefined) throw new Error('no connection');
          const body = { requestId: `${instanceId}-${racer}`, agentId: `agent${racer}` };
          return untilAvailable(async () => {
            const subject = cluster.subject('advance', instanceId);
            const reply = await connection.request(subject, JSON.stringify(body), {
              timeout: 60_000,
            });
            return reply.json<ReceiptReply>();
          }, refused);
        }),
      );
      const ran = receipts.filter((receipt) => (receipt?.steps.length ?? 0) > 0);
      const [winner] = ran;
      if (ran.length !== 1) wrong.push(`${instanceId}: ${ran.length} receipts have steps`);
      if (winner?.outcome !== 'completed' || winner.steps.length !== 2)
        wrong.push(`${instanceId}: ${JSON.stringify(winner)}`);
      if (winner?.holder) holders.add(winner.holder.replicaId);
      for (const receipt of receipts) {
        const how = receipt?.outcome ?? 'none';
        outcomes.set(how, (outcomes.get(how) ?? 0) + 1);
        if (receipt === winner || (how === 'completed' && receipt?.steps.length === 0)) continue;
        if (
          how !== 'in_flight' ||
          receipt?.inFlight?.cellId !== 'effect' ||
          receipt.steps.length > 0
        )
          wrong.push(`${instanceId}: a loser received ${JSON.stringify(receipt)}`);
      }
    };
    const beganMs = performance.now();
    try {
      for (let batch = 0; batch < 25; batch += 1) {
        await Promise.all(Array.from({ length: 40 }, (_, nth) => race(`race${batch}-${nth}`)));
      }
      const tookMs = performance.now() - beganMs;
      process.stderr.write(
        `1,000 races in ${Math.round(tookMs)} ms (seed ${SEED}): ${JSON.stringify(Object.fromEntries(outcomes))}\n`,
      );
      expect(wrong.slice(0, 5)).toEqual([]);
      expect(due).toHaveLength(1_000);
      expect(witness.tally(due)).toEqual(EACH_ONCE);
      const { rows } = await cluster.app.query<{ kind: string; count: number }>(
        `select kind, count(*)::int as count from leasehold.executions
          where instance_id like 'race%' group by kind order by kind`,
      );
      expect(rows).toEqual([
        { kind: 'completed', count: 1_000 },
        { kind: 'started', count: 1_000 },
      ]);
      // Races without a loser during the winner's run, or all won by one replica, would show
      // little.
      expect(outcomes.get('in_flight')).toBeGreaterThan(500);
      expect(holders.size).toBe(3);
      machine.expectNone(refused, context);
    } finally {
      await Promise.all(connections.map((connection) => connection.close()));
      await witness.stop();
    }
  });
});
