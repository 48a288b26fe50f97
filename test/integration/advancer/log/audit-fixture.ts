import type { Client } from 'pg';
import { expect } from 'vitest';

import type { AuditSummary } from '../../../../src/audit/audit.ts';
import type { Breach } from '../../../../src/audit/check.ts';
import { TestTerminal } from '../../../harness/test-terminal.ts';
import { run } from '../../../../cli/program.ts';
import { RUNBOOK, sample } from '../../../unit/src/audit/sample.ts';
import { connect, log } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

interface Audited {
  code: number;
  out: string;
  err: string;
  breaches: Breach[];
  summary: AuditSummary & { at: string };
  /** Names of the checks that found something. */
  found: string[];
}

export async function audit(
  database: LogDatabase,
  flags: string[] = [],
  env: Record<string, string> = {},
): Promise<Audited> {
  const terminal = new TestTerminal({ LEASEHOLD_DATABASE_URL: database.appUrl, ...env });
  const code = await run(['audit', ...flags], terminal);
  const lines = flags.includes('--json')
    ? terminal.outLines.map((text) => JSON.parse(text) as Breach & Audited)
    : [];
  const breaches = lines.filter((line) => line.summary === undefined);
  return {
    code,
    out: terminal.outText,
    err: terminal.errText,
    breaches,
    summary: lines.at(-1)?.summary ?? ({} as Audited['summary']),
    found: [...new Set(breaches.map(({ check }) => check))],
  };
}

/** Writes the sample through the product's log, so that the guard checks every row. */
export async function writeSample(database: LogDatabase, instanceId: string): Promise<void> {
  const replica = log(database);
  const good = sample();
  await replica.pushRunbook(RUNBOOK);
  await replica.startInstance({
    instanceId,
    runbookId: 'sample',
    version: 1,
    inputs: {},
    agentId: 'ann',
  });
  for (const status of ['closed', 'open']) {
    await replica.claim({ claimId: 'gate', status, agentId: 'bob', evidence: null });
  }
  const own = (id: string): string => (instanceId === 'i' ? id : `${instanceId}-${id}`);
  for (const row of good.rows) {
    const { recordedAt: _stamped, ...written } = row;
    const body =
      typeof row.body['idempotencyKey'] === 'string'
        ? { idempotencyKey: row.body['idempotencyKey'].replace('i/', `${instanceId}/`) }
        : // Written at once, without any wait.
          'waitMs' in row.body
          ? { ...row.body, waitMs: 0 }
          : row.body;
    const requestId = own(row.requestId!);
    const receipt = good.receipts.find(
      ({ lastSeq, receipt: { outcome } }) => lastSeq === row.seq && outcome !== 'expired',
    );
    const outcome = await replica.append({
      instanceId,
      fencingToken: row.fencingToken,
      replicaId: row.replicaId,
      rows: [{ ...written, instanceId, body, requestId }],
      receipt: receipt && {
        requestId: own(receipt.requestId),
        agentId: 'ann',
        receipt: { ...receipt.receipt, instanceId, requestId: own(receipt.requestId) },
        lastSeq: row.seq,
      },
      projection: { status: row.seq === 19 ? 'completed' : 'ready', nextCellId: null },
    });
    expect(outcome.kind).toBe('appended');
  }
  for (const late of good.lateOutcomes) await replica.addLateOutcome({ ...late, instanceId });
  for (const refusal of good.refusals)
    await replica.addRefusal({ ...refusal, instanceId, reason: 'stale token' });
}

/** A superuser's connection on which triggers do not fire. */
export async function intruder(database: LogDatabase): Promise<Client> {
  const client = await connect(database.superuserUrl);
  await client.query('set session_replication_role = replica');
  return client;
}

/** The sample's effects as a witness records them, a minute after Postgres stamped the intents. */
export function witnessLines(instanceId: string): string {
  return sample()
    .witness!.map((effect) => ({
      ...effect,
      instanceId,
      idempotencyKey: effect.idempotencyKey.replace('i/', `${instanceId}/`),
      at: new Date(Date.now() + 60_000).toISOString(),
    }))
    .map((effect) => JSON.stringify({ ...effect, note: "the witness's own" }))
    .join('\n');
}

/**
 * Inserts instances by SQL: cells `held` and `gate` are satisfied, `again` is running. Each has two
 * requests, of which the second found it parked.
 */
export async function generate(client: Client, count: number): Promise<void> {
  const series = `generate_series(1, ${count}) n`;
  await client.query(`insert into leasehold.claims values ('gate', 2, 'open', 'bob', 'null')`);
  await client.query(
    `insert into leasehold.instances (instance_id, runbook_id, version, inputs, agent_id)
       select 'g' || n, 'sample', 1, '{}', 'ann' from ${series}`,
  );
  await client.query(
    `insert into leasehold_projection.instances
       select 'g' || n, 'sample', 1, 'running', null, 4, clock_timestamp() from ${series}`,
  );
  await client.query(
    `insert into leasehold.executions
         (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)
       select 'g' || n, r.seq, n + 10, 'rA', r.kind, r.cell_id, 1, 'q' || r.request || '-' || n, 'ann',
           replace(r.body, '$', 'g' || n)::jsonb
         from ${series}, (values
           (1, 'started', 'held', 1, '{"idempotencyKey": "$/held/1"}'),
           (2, 'completed', 'held', 1, '{"output": {"some": "output"}}'),
           (3, 'satisfied', 'gate', 3, '{"claimId": "gate", "revision": 2, "status": "open", "agentId": "bob"}'),
           (4, 'started', 'again', 3, '{"idempotencyKey": "$/again/1"}')) r (seq, kind, cell_id, request, body)`,
  );
  await client.query(
    `insert into leasehold.requests (request_id, instance_id, fencing_token, last_seq, receipt)
       select 'q' || r.request || '-' || n, 'g' || n, n + 10, 2,
           json_build_object('requestId', 'q' || r.request || '-' || n, 'instanceId', 'g' || n,
             'outcome', r.outcome, 'steps', r.steps::json, 'nextCellId', 'gate',
             'holder', json_build_object('replicaId', 'rA', 'fencingToken', n + 10))
         from ${series}, (values
           (1, 'advanced', '[{"seq": 1, "cellId": "held", "kind": "started", "attempt": 1},
                             {"seq": 2, "cellId": "held", "kind": "completed", "attempt": 1}]'),
           (2, 'parked', '[]')) r (request, outcome, steps)`,
  );
  await client.query('analyze');
}
