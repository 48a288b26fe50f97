import { dirname, delimiter, join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { EXAMPLE_RUNBOOKS, placed } from '../../../cli/dev/examples.ts';
import { loadRunbookFile } from '../../../src/runbook/load.ts';
import { startExampleLedger, type ExampleLedger } from '../../harness/example-ledger.ts';
import { untilDue, untilStatus } from '../../harness/family.ts';
import { eventually, TestCluster } from '../../harness/replicas.ts';
import type { ReceiptReply } from '../../harness/replies.ts';

/*
 * The examples as people run them, each from start to end, with the holder killed in the middle of
 * an effect. The ledger of the examples says how often each effect happened.
 */

const ROOT = join(import.meta.dirname, '../../..');
const TOKEN = 'tr0ub4dor&3 is/not+used';
/** Longer than a takeover takes. */
const LEDGER_DELAY_MS = 30_000;
const REPLICAS = 3;

let cluster: TestCluster;
let ledger: ExampleLedger;
let names = 0;

beforeAll(async () => {
  const env = {
    LEASEHOLD_SECRET_LEDGER_TOKEN: TOKEN,
    PATH: [process.env['PATH'], dirname(process.execPath)].join(delimiter),
  };
  [cluster, ledger] = await Promise.all([
    TestCluster.start({ replicas: REPLICAS, env }),
    startExampleLedger(),
  ]);
  for (const file of EXAMPLE_RUNBOOKS.filter((path) => path.endsWith('.yaml'))) {
    const loaded = await loadRunbookFile(join(ROOT, file));
    if (!loaded.ok) throw new Error(`${file} is not valid`);
    for (const runbook of loaded.runbooks)
      await cluster.pushRunbook(placed(runbook, { packageDir: ROOT, ledgerUrl: ledger.url }));
  }
});

afterAll(async () => {
  await cluster?.stop();
  await ledger?.stop();
});

function name(prefix: string): string {
  names += 1;
  return `${prefix}-${names}`;
}

async function start(instanceId: string, runbookId: string, inputs: object): Promise<void> {
  expect(await cluster.start(instanceId, runbookId, inputs)).toMatchObject({ created: true });
}

function advance(instanceId: string): Promise<ReceiptReply> {
  return cluster.advance(instanceId, name('q'));
}

/** Advances it until its pause is over. */
function advanceUntilMoved(instanceId: string): Promise<ReceiptReply> {
  return eventually(async () => {
    const receipt = await advance(instanceId);
    return receipt.waiting === undefined ? receipt : undefined;
  });
}

async function claim(claimId: string, status: string): Promise<void> {
  const body = { status, agentId: 'tester' };
  expect(await cluster.request(cluster.subject('claim', claimId), body)).toMatchObject({ status });
}

/** Runs the command line; what it printed with --json. */
async function cli(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await cluster.cli([...args, '--json']);
  if (code !== 0) throw new Error(`leasehold ${args.join(' ')} exits ${code}: ${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/**
 * Advances the instance with one request, and kills the holder once the ledger has the effect and
 * before its answer arrives. @returns the receipt, which another replica answers
 */
async function advanceAndKill(instanceId: string, key: string): Promise<ReceiptReply> {
  await ledger.client.delay(LEDGER_DELAY_MS, 'after');
  const answer = advance(instanceId);
  const victimId = await killHolder(instanceId, key);
  const receipt = await answer;
  expect(receipt.holder?.replicaId).not.toBe(victimId);
  return receipt;
}

/** Kills the holder once the delayed ledger has the effect, and replaces it. @returns its id */
async function killHolder(instanceId: string, key: string): Promise<string> {
  await eventually(async () => ((await ledger.client.count(key)) > 0 ? true : undefined));
  const holder = await eventually(
    async () => (await cluster.status(instanceId)).holder ?? undefined,
  );
  const victim = cluster.byId(holder.replicaId);
  victim.kill();
  await victim.exited;
  await ledger.client.delay(0);
  await cluster.startReplica(name('replacement'));
  return victim.replicaId;
}

/** How often the ledger has each effect of an instance and of its children, by key. */
async function counts(instanceId: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const { key } of await ledger.client.effects())
    if (key?.startsWith(instanceId) === true) found[key] = (found[key] ?? 0) + 1;
  return found;
}

test('a large refund: two approvals, a deadline that passes and is extended, a secret, and a holder killed while it pays', async () => {
  const id = name('large');
  await start(id, 'example-large-refund', { order: id, amount: 900, patience: '1s' });
  expect(await advance(id)).toMatchObject({
    outcome: 'parked',
    awaiting: { cellId: 'support', claimId: `support-${id}` },
  });
  await claim(`support-${id}`, 'approved');
  expect(await advance(id)).toMatchObject({
    outcome: 'parked',
    awaiting: { cellId: 'finance', until: expect.any(String) as string },
  });
  // Nobody answers in time.
  const halted = await eventually(async () => {
    const receipt = await advance(id);
    return receipt.outcome === 'parked' ? undefined : receipt;
  });
  expect(halted.outcome).toBe('halted');
  const settled = [
    '--cell',
    'finance',
    '--attempt',
    '1',
    '--as',
    'rerun',
    '--reason',
    'asked again',
  ];
  expect(await cli('decide', id, ...settled)).toMatchObject({ as: 'rerun' });
  await claim(`finance-${id}`, 'approved');

  const receipt = await advanceAndKill(id, `${id}/charge/1`);
  expect(receipt.outcome).toBe('completed');
  expect(await counts(id)).toEqual({ [`${id}/charge/1`]: 1, [`${id}/notify/1`]: 1 });
  expect(await ledger.headersOf(`${id}/charge/1`)).toMatchObject([
    { authorization: `Bearer ${TOKEN}` },
  ]);
  const log = JSON.stringify(await cluster.rows(id));
  expect(log).toContain(`${id}/charge/1`);
  expect(log).not.toContain(TOKEN);
});

test('a small refund needs no second approval', async () => {
  const id = name('small');
  await start(id, 'example-large-refund', { order: id, amount: 20 });
  await claim(`support-${id}`, 'approved');
  expect((await advance(id)).outcome).toBe('completed');
  const { cells } = await cluster.status(id);
  expect(cells).toContainEqual(expect.objectContaining({ cellId: 'finance', state: 'skipped' }));
  expect(await counts(id)).toEqual({ [`${id}/charge/1`]: 1, [`${id}/notify/1`]: 1 });
});

test('a deploy: the canary soaks, a condition is skipped, and a holder is killed in a region', async () => {
  const id = name('web');
  await start(id, 'example-deploy', { service: 'web', soak: '300ms' });
  expect(await advance(id)).toMatchObject({ outcome: 'parked', waiting: { cellId: 'soak' } });
  // Long enough for the kill; the region that another replica may hold waits for all of it.
  await ledger.client.delay(LEDGER_DELAY_MS / 10, 'after');
  expect(await advanceUntilMoved(id)).toMatchObject({
    outcome: 'parked',
    children: { cellId: 'regions', ended: 0, total: 2 },
  });
  // The regions go on by themselves, and one replica may hold both.
  const [first, second] = [`${id}-regions-0`, `${id}-regions-1`];
  await killHolder(first, `${first}/deploy/1`);
  for (const region of [first, second]) await untilStatus(cluster, region, 'completed');
  await untilDue(cluster, id);
  expect((await advance(id)).outcome).toBe('completed');
  expect(await counts(id)).toEqual({
    [`${id}/canary/1`]: 1,
    [`${first}/deploy/1`]: 1,
    [`${second}/deploy/1`]: 1,
    [`${id}/announce/1`]: 1,
  });
  const { cells } = await cluster.status(id);
  expect(cells).toContainEqual(expect.objectContaining({ cellId: 'warm', state: 'skipped' }));
});

test('a deploy whose canary reports errors is undone without a person', async () => {
  const id = name('bad');
  const headers = { 'idempotency-key': `errors-${id}` };
  await fetch(`${ledger.url}/effects`, { method: 'POST', headers });
  await start(id, 'example-deploy', { service: id, soak: '100ms' });
  await advance(id);
  const receipt = await eventually(async () => {
    const one = await advance(id);
    return one.outcome === 'cancelled' ? one : undefined;
  });
  expect(receipt.nextCellId).toBeNull();
  expect(await counts(id)).toEqual({ [`${id}/canary/1`]: 1, [`${id}/undo-canary/1`]: 1 });
  const kinds = (await cluster.rows(id)).map(({ kind, cell_id: cellId }) => `${kind} ${cellId}`);
  expect(kinds.slice(-5)).toEqual([
    'refuted healthy',
    'unwinding healthy',
    'started undo-canary',
    'completed undo-canary',
    'cancelled undo-canary',
  ]);
});

test('a deploy that is cancelled with its regions: what is done is undone, in reverse order', async () => {
  const id = name('halfway');
  await start(id, 'example-deploy', { service: 'web', soak: '100ms' });
  await advance(id);
  const regions = [`${id}-regions-0`, `${id}-regions-1`];
  await ledger.client.delay(LEDGER_DELAY_MS, 'after');
  expect(await advanceUntilMoved(id)).toMatchObject({ children: { ended: 0, total: 2 } });
  for (const region of regions) {
    const key = `${region}/deploy/1`;
    await eventually(async () => ((await ledger.client.count(key)) > 0 ? true : undefined));
  }
  await ledger.client.delay(0);
  await cli('cancel', id, '--reason', 'wrong build', '--undo', '--children');
  await eventually(async () => {
    const { outcome } = await advance(id);
    return outcome === 'cancelled' ? outcome : undefined;
  });
  for (const region of regions) await untilStatus(cluster, region, 'cancelled');
  expect(await counts(id)).toEqual({
    [`${id}/canary/1`]: 1,
    [`${regions[0]}/deploy/1`]: 1,
    [`${regions[1]}/deploy/1`]: 1,
    [`${id}/undo-canary/1`]: 1,
  });
});

test('a failover: checks, a confirmation, a pause, and a holder killed while it promotes', async () => {
  const id = name('fo');
  const inputs = { primary: id, standby: `${id}-standby`, pause: '300ms' };
  await start(id, 'example-failover', inputs);
  expect(await advance(id)).toMatchObject({
    outcome: 'parked',
    awaiting: { cellId: 'confirmed', until: expect.any(String) as string },
  });
  await claim(`failover-${id}`, 'confirmed');
  expect(await advance(id)).toMatchObject({ outcome: 'parked', waiting: { cellId: 'drain' } });
  const { waiting } = await cluster.status(id);
  await new Promise((resolve) =>
    setTimeout(resolve, Date.parse(waiting?.until ?? '') - Date.now() + 50),
  );
  const key = `${id}/promote/1`;
  const receipt = await advanceAndKill(id, key);
  expect(receipt).toMatchObject({
    outcome: 'in_doubt',
    inDoubt: { cellId: 'promote', attempt: 1 },
  });
  // A person looks into the ledger, and says what is there.
  const output = JSON.stringify({ key, count: await ledger.client.count(key) });
  const found = ['--cell', 'promote', '--attempt', '1', '--as', 'succeeded', '--output', output];
  await cli('decide', id, ...found, '--reason', 'the ledger has it');
  expect((await advance(id)).outcome).toBe('completed');
  expect(await counts(id)).toEqual({
    [`${id}/fence/1`]: 1,
    [`${id}/promote/1`]: 1,
    [`${id}/route/1`]: 1,
  });
});
