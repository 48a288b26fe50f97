import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { TestCluster } from '../../harness/replicas.ts';
import type { ReceiptReply } from '../../harness/replies.ts';
import { Witness } from '../../harness/witness.ts';

const INSTANCES = Array.from({ length: 200 }, (_, nth) => `order-${nth}`);

let witness: Witness;
let folder: string;
let cluster: TestCluster | undefined;

beforeEach(async () => {
  witness = await Witness.start();
  folder = await mkdtemp(join(tmpdir(), 'leasehold-deploy-'));
});
afterEach(async () => {
  await cluster?.stop();
  cluster = undefined;
  await witness.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A module with these handlers, each of which sends its effect to the witness. */
async function handlersOf(...names: string[]): Promise<string> {
  const file = join(folder, `${names.join('-')}.mjs`);
  const post = `async (call) => {
    const headers = { 'idempotency-key': call.idempotencyKey,
      'leasehold-fencing-token': String(call.fencingToken), 'content-type': 'application/json' };
    const response = await fetch(call.inputs.witness, { method: 'POST', headers, body: '{}' });
    return { status: response.status };
  }`;
  const members = names.map((name) => `${name}: ${post}`).join(',\n');
  await writeFile(file, `export default {\n${members}\n};\n`);
  return file;
}

/**
 * Advances every instance with one request each, which is sent again, as every agent does, while no
 * replica can serve it for a reason that `asksAgain` picks.
 */
function advanceAll(asksAgain: (why: string) => boolean = () => true): Promise<ReceiptReply[]> {
  const advance = async (instanceId: string): Promise<ReceiptReply> => {
    for (;;) {
      const receipt = await cluster!.advance(instanceId, `${instanceId}-q`);
      const { outcome, error } = receipt;
      if (outcome !== 'unavailable' || !asksAgain(error?.message ?? '')) return receipt;
    }
  };
  return Promise.all(INSTANCES.map(advance));
}

const tally = (receipts: ReceiptReply[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { outcome } of receipts) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
};

const RUNBOOK = {
  runbook: 'order',
  version: 1,
  inputs: ['witness'],
  cells: [
    { id: 'reserve', exec: { handler: 'old' } },
    { id: 'charge', exec: { handler: 'new' } },
    { id: 'ship', exec: { handler: 'old' } },
  ],
};

it('a rolling deploy halts nothing: what the old replicas cannot run waits, and completes on the new ones', async () => {
  const [before, after] = [await handlersOf('old'), await handlersOf('old', 'new')];
  cluster = await TestCluster.start({ replicas: 2, env: { LEASEHOLD_HANDLERS: before } });
  await cluster.pushRunbook(RUNBOOK);
  for (const instanceId of INSTANCES)
    await cluster.start(instanceId, 'order', { witness: witness.url });

  // Only old replicas: the first cell runs, and the second one is left alone.
  const refused = await advanceAll((why) => !why.includes('"new"'));
  expect(tally(refused)).toEqual({ unavailable: INSTANCES.length });
  for (const { error } of refused) expect(error?.message).toContain('"new"');
  // On a busy machine a term may end before its effect begins; such attempts are left out.
  const { rows } = await cluster.app.query<{ cell_id: string; kind: string; rows: number }>(
    `select cell_id, kind, count(*)::int as rows from leasehold.executions e
       where not exists (select from leasehold.executions u
         where u.instance_id = e.instance_id and u.cell_id = e.cell_id and u.attempt = e.attempt
           and u.kind = 'interrupted' and u.body->>'reason' = 'not_started')
       group by 1, 2 order by 2`,
  );
  expect(rows).toEqual([
    { cell_id: 'reserve', kind: 'completed', rows: INSTANCES.length },
    { cell_id: 'reserve', kind: 'started', rows: INSTANCES.length },
  ]);

  // Half of the replicas are new.
  for (const name of ['c', 'd']) await cluster.startReplica(name, { LEASEHOLD_HANDLERS: after });
  const fresh = new Set(['c', 'd'].map((name) => cluster!.replica(name).replicaId));
  const done = await advanceAll();
  expect(tally(done)).toEqual({ completed: INSTANCES.length });

  const charges = await cluster.app.query<{ replica_id: string }>(
    `select distinct replica_id from leasehold.executions where cell_id = 'charge'`,
  );
  for (const { replica_id } of charges.rows) expect(fresh).toContain(replica_id);
  // On a busy machine a term may end before its effect begins; no cell failed, and none is halted.
  const failed = await cluster.app.query(
    `select from leasehold.executions where kind in ('failed', 'refuted')
       or kind = 'interrupted' and body->>'reason' <> 'not_started'`,
  );
  expect(failed.rowCount).toBe(0);
  // Each effect happened once.
  expect(witness.effects).toHaveLength(INSTANCES.length * 3);
  expect(new Set(witness.effects.map(({ key }) => key)).size).toBe(INSTANCES.length * 3);
});

it('a replica whose temporary directory is gone is not ready, and the others run its commands', async () => {
  const temporary = await mkdtemp(join(folder, 'tmp-'));
  cluster = await TestCluster.start({ replicas: 2 });
  const lost = await cluster.startReplica('c', { TMPDIR: temporary });
  await cluster.pushRunbook({
    runbook: 'commands',
    version: 1,
    inputs: [],
    cells: [{ id: 'touch', exec: { command: ['true'] } }],
  });
  const ready = await fetch(`${lost.httpUrl}/readyz`);
  expect([ready.status, await ready.json()]).toMatchObject([
    200,
    { ready: true, checks: { NATS: 'ok', Postgres: 'ok', 'temporary directory': 'ok' } },
  ]);
  await rm(temporary, { recursive: true });
  const notReady = await fetch(`${lost.httpUrl}/readyz`);
  expect([notReady.status, await notReady.json()]).toMatchObject([
    503,
    { ready: false, checks: { 'temporary directory': expect.stringContaining(temporary) } },
  ]);
  const ids = Array.from({ length: 12 }, (_, nth) => `touch-${nth}`);
  for (const instanceId of ids) await cluster.start(instanceId, 'commands');
  const receipts = await Promise.all(ids.map((id) => cluster!.advance(id, `${id}-q`)));
  expect(tally(receipts)).toEqual({ completed: ids.length });
  const ran = await cluster.app.query<{ replica_id: string }>(
    'select distinct replica_id from leasehold.executions',
  );
  expect(ran.rows.map(({ replica_id }) => replica_id)).not.toContain(lost.replicaId);
});
