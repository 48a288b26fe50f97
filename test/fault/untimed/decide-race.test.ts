import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openLog, type PostgresLog } from '../../../advancer/log/postgres-log.ts';
import { HeldInstance } from '../../../advancer/run/held-instance.ts';
import { breakGuard } from '../../harness/broken-guard.ts';
import { holderContext, holdingOf } from '../../harness/holder.ts';
import { TestCluster } from '../../harness/replicas.ts';
import { withTwoHolders } from '../../harness/two-holders.ts';

/*
 * Two holders of one instance, as after a freeze and a take-over, on a real log: first with the
 * rules of the database, and then, as a negative control, without the one that lets one count.
 */

const RUNBOOK = {
  runbook: 'breaks',
  version: 1,
  cells: [
    { id: 'fails', exec: { command: ['false'] } },
    { id: 'after', exec: { command: ['true'] } },
  ],
};

let cluster: TestCluster;
let log: PostgresLog;
let place: { databaseUrl: string; namespace: string };

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.pushRunbook(RUNBOOK);
  const { namespace, env } = cluster;
  place = { databaseUrl: env['LEASEHOLD_DATABASE_URL'] ?? '', namespace };
  log = openLog({ url: place.databaseUrl, replicaId: 'holder-0000000a', namespace });
});
afterAll(async () => {
  await log?.close();
  await cluster?.stop();
});

async function halted(instanceId: string): Promise<void> {
  const own = { runbookId: 'breaks', version: 1, inputs: {}, agentId: 'tester' };
  await log.startInstance({ instanceId, ...own });
  const held = new HeldInstance(holderContext('holder-0000000a', log), holdingOf(instanceId, 9));
  const handled = await held.advance({
    instanceId,
    requestId: `${instanceId}-first`,
    agentId: 'tester',
    wait: false,
    expiresAtMs: Date.now() + 60_000,
  });
  expect(handled).toMatchObject({ receipt: { outcome: 'halted' } });
}

/** What both were told, and whose decisions the log has. */
async function decideTwice(instanceId: string): Promise<{ told: string[]; by: unknown[] }> {
  await halted(instanceId);
  const decided = await withTwoHolders(
    { ...place, instanceId, around: (own) => own },
    (held, index) =>
      held.decide({
        agentId: `judge-${index}`,
        cellId: 'fails',
        attempt: 1,
        as: index === 0 ? 'succeeded' : 'skipped',
        reason: 'has looked',
      }),
  );
  const rows = (await cluster.rows(instanceId)).filter(({ kind }) => kind === 'decided');
  return { told: decided.map(({ kind }) => kind), by: rows.map(({ body }) => body['by']) };
}

describe('two people decide one halted cell at the same time, each with a holder', () => {
  it('one counts; without the guard both do, and the audit says so', async () => {
    for (let nth = 1; nth <= 5; nth += 1) {
      const { told, by } = await decideTwice(`sound${nth}`);
      expect(told.filter((kind) => kind === 'decided')).toHaveLength(1);
      expect(by).toEqual([`judge-${told.indexOf('decided')}`]);
    }
    await breakGuard(cluster.servers.superuserUrl, 'chain');
    const { told, by } = await decideTwice('broken');
    expect(told).toEqual(['decided', 'decided']);
    expect(new Set(by)).toEqual(new Set(['judge-0', 'judge-1']));
    const { code, stdout } = await cluster.cli(['audit', '--json']);
    expect(code).toBe(1);
    const found = stdout
      .split('\n')
      .filter((line) => line.startsWith('{"check"'))
      .map((line) => JSON.parse(line) as { check: string; instanceId: string });
    expect(new Set(found.map(({ instanceId }) => instanceId))).toEqual(new Set(['broken']));
    expect(found.map(({ check }) => check)).toContain('chain-unbroken');
  });
});
