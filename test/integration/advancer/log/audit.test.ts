import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { AuditSource } from '../../../../advancer/log/audit-source.ts';
import type { AuditSummary } from '../../../../src/audit/audit.ts';
import type { Breach } from '../../../../src/audit/check.ts';
import { TestTerminal } from '../../../harness/test-terminal.ts';
import { run } from '../../../../cli/program.ts';
import { RUNBOOK, sample } from '../../../unit/src/audit/sample.ts';
import { connect, log, logDatabase } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';

/*
 * The auditor against Postgres: as `leasehold audit` runs it, with the application's rights, on
 * logs that the product wrote, and on logs that a superuser has spoilt behind the guard's back.
 */

let database: LogDatabase;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-audit-'));
});
afterAll(() => rm(dir, { recursive: true }));
beforeEach(async () => {
  database = await logDatabase();
});

interface Audited {
  code: number;
  out: string;
  err: string;
  breaches: Breach[];
  summary: AuditSummary & { at: string };
  /** Names of the checks that found something. */
  found: string[];
}

async function audit(flags: string[] = [], env: Record<string, string> = {}): Promise<Audited> {
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

/** Writes the sample through the product's own log, with the guard watching. */
async function writeSample(instanceId: string): Promise<void> {
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
  for (const status of ['shut', 'open']) {
    await replica.claim({ claimId: 'gate', status, agentId: 'bob', evidence: null });
  }
  const own = (id: string): string => (instanceId === 'i' ? id : `${instanceId}-${id}`);
  for (const row of good.rows) {
    const { recordedAt: _stamped, ...written } = row;
    const body =
      typeof row.body['idempotencyKey'] === 'string'
        ? { idempotencyKey: row.body['idempotencyKey'].replace('i/', `${instanceId}/`) }
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

/** A superuser that triggers do not stop. */
async function intruder(): Promise<Client> {
  const client = await connect(database.superuserUrl);
  await client.query('set session_replication_role = replica');
  return client;
}

/**
 * The sample's effects as a witness writes them down, a while after the intents that Postgres has
 * just stamped.
 */
function witnessLines(instanceId: string): string {
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

describe('a log that the product wrote', () => {
  it('is clean, and every check that needs only a log has examined something', async () => {
    await writeSample('i');
    const { code, breaches, summary } = await audit(['--json']);
    expect({ code, breaches }).toEqual({ code: 0, breaches: [] });
    expect(summary).toMatchObject({
      instances: 1,
      rows: 19,
      breaches: 0,
      warnings: 0,
      namespace: 'log-tests',
    });
    const counts = (has: boolean) =>
      summary.checks.filter(({ checked }) => checked > 0 === has).map(({ check }) => check);
    const witnessed = ['effect-seen-once', 'intent-before-effect', 'not-started-never-ran'];
    expect(counts(false)).toEqual(
      expect.arrayContaining([...witnessed, 'told-what-is-recorded', 'stuck-instance']),
    );
    expect(counts(false)).toHaveLength(10);
    const unseen = summary.checks.filter(({ checked, seen }) => checked > 0 && seen === 0);
    expect(unseen.map(({ check }) => check)).toEqual(['expired-ran-nothing']);
  });

  it('is shown as a table for a person, with what could not be checked named', async () => {
    await writeSample('i');
    const { code, out } = await audit();
    expect(code).toBe(0);
    expect(out).toMatch(/^chain-unbroken +1 +19 rows +0 +ok$/m);
    expect(out).toMatch(/^effect-seen-once +3 +- +- +not checked$/m);
    expect(out).toMatch(/^expired-ran-nothing +7 +0 expired requests +0 +nothing to look at$/m);
    expect(out).toMatch(/^clean: no breach in 1 instances, 19 rows/m);
  });

  it('is clean with a witness who saw each effect once', async () => {
    await writeSample('i');
    const file = join(dir, 'good.jsonl');
    await writeFile(file, witnessLines('i'));
    const { code, breaches, summary } = await audit(['--json', '--witness', file]);
    expect({ code, breaches }).toEqual({ code: 0, breaches: [] });
    expect(summary.checks.find(({ check }) => check === 'effect-seen-once')).toMatchObject({
      checked: 1,
      seen: 6,
    });
  });

  it('is not, once the witness saw an effect twice, or without an intent, or of an unknown instance', async () => {
    await writeSample('i');
    const file = join(dir, 'bad.jsonl');
    const stranger = witnessLines('ghost').split('\n')[0]!;
    const twice = witnessLines('i').split('\n')[2]!;
    await writeFile(file, [witnessLines('i'), twice, stranger, ''].join('\n'));
    const { code, breaches } = await audit(['--json', '--witness', file]);
    expect(code).toBe(1);
    expect(breaches).toMatchObject([
      { check: 'effect-seen-once', instanceId: 'i', seqs: [7] },
      { check: 'intent-before-effect', instanceId: 'ghost' },
    ]);
  });

  it('is audited although the application may only read and insert, and nothing is written', async () => {
    await writeSample('i');
    const source = await AuditSource.open({ url: database.appUrl });
    for await (const page of source.pages()) expect(page).toHaveLength(1);
    // Postgres gives a transaction its id when it first writes.
    const { rows } = await (
      await connect(database.superuserUrl)
    ).query(
      `select backend_xid from pg_stat_activity
         where datname = current_database() and application_name = 'leasehold-audit' and backend_xmin is not null`,
    );
    expect(rows).toEqual([{ backend_xid: null }]);
    await source.close();
  });
});

describe('a log that was corrupted behind the guard', () => {
  const insert = `insert into leasehold.executions
    (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, request_id, agent_id, body)`;

  it.each<[check: string, guarantee: number, seqs: number[], sql: string]>([
    ['chain-unbroken', 1, [5, 7], `delete from leasehold.executions where seq = 6`],
    ['one-open-attempt', 1, [1, 3], `delete from leasehold.executions where seq = 2`],
    [
      'tokens-never-go-back',
      2,
      [18, 19],
      `update leasehold.executions set fencing_token = 13 where seq = 19`,
    ],
    [
      'cells-in-order',
      3,
      [20],
      `${insert} values ('i', 20, 14, 'rC', 'started', 'held', 1, 'q5', 'ann', '{}')`,
    ],
    [
      'rerun-only-where-allowed',
      3,
      [6],
      `update leasehold.runbooks set cells = cells #- '{3,onInterrupt}'`,
    ],
    [
      'runbook-unchanged',
      6,
      [],
      `update leasehold.runbooks set cells = cells || '{"id": "more", "prose": ""}'`,
    ],
    [
      'receipt-accounts-for-rows',
      5,
      [1, 2, 3, 4, 5, 6, 7, 8],
      `update leasehold.requests set receipt = receipt #- '{steps,0}'  where request_id = 'q1'`,
    ],
    [
      'nothing-after-receipt',
      5,
      [9],
      `update leasehold.executions set request_id = 'q1' where seq = 9`,
    ],
    [
      'receipt-as-fenced-as-rows',
      5,
      [19],
      `update leasehold.requests set fencing_token = 3 where request_id = 'q2'`,
    ],
    ['claim-was-made', 6, [3], `delete from leasehold.claims where revision = 2`],
    ['evidence-behind-decision', 6, [11], `delete from leasehold.late_outcomes`],
    [
      'instance-on-record',
      6,
      [1],
      `${insert} values ('smuggled', 1, 5, 'rX', 'started', 'held', 1, null, 'eve', '{}')`,
    ],
    ['late-outcome-was-refused', 6, [9, 10], `delete from leasehold.refusals`],
  ])('%s finds it', async (check, guarantee, seqs, sql) => {
    await writeSample('i');
    expect((await audit(['--json'])).code).toBe(0);
    await (await intruder()).query(sql);
    const { code, breaches } = await audit(['--json']);
    expect(code).toBe(1);
    expect(breaches).toContainEqual(
      expect.objectContaining({ check, guarantee, severity: 'breach', seqs }),
    );
  });

  it('the table counts breaches, and each breach names its instance and rows', async () => {
    await writeSample('i');
    await (
      await intruder()
    ).query('update leasehold.executions set fencing_token = 13 where seq = 19');
    const { code, out } = await audit();
    expect(code).toBe(1);
    expect(out).toMatch(/^tokens-never-go-back +2 +19 rows +1 +BREACH$/m);
    expect(out).toContain(
      'i seq 18, 19: tokens-never-go-back (guarantee 2): token 13 of rC came after 14 of rC',
    );
  });

  it('a projection that lags is a warning, and does not fail the audit', async () => {
    await writeSample('i');
    await (await intruder()).query(`update leasehold_projection.instances set last_seq = 3`);
    const { code, breaches } = await audit(['--json']);
    expect(code).toBe(0);
    expect(breaches).toMatchObject([
      { check: 'projection-agrees', severity: 'warning', seqs: [19] },
    ]);
  });
});

describe('the scope', () => {
  it('one instance, or those that moved since a time', async () => {
    await writeSample('i');
    await writeSample('j');
    const spoil = await intruder();
    await spoil.query(`delete from leasehold.executions where instance_id = 'j' and seq = 6`);
    expect((await audit(['--json', '--instance', 'i'])).summary).toMatchObject({
      instances: 1,
      rows: 19,
      breaches: 0,
    });
    expect(await audit(['--json', '--instance', 'j'])).toMatchObject({
      code: 1,
      summary: { instances: 1 },
    });
    expect((await audit(['--json', '--since', '1h'])).summary).toMatchObject({
      instances: 2,
      rows: 37,
    });
    for (const table of ['instances', 'executions', 'requests', 'late_outcomes']) {
      await spoil.query(
        `update leasehold.${table} set recorded_at = '2020-01-01T00:00:00Z' where instance_id = 'j'`,
      );
    }
    const since = await audit(['--json', '--since', '2021-01-01']);
    expect(since).toMatchObject({ code: 0, summary: { instances: 1, rows: 19, breaches: 0 } });
    expect((await audit(['--instance', 'nobody'])).err).toContain('nobody has no rows in the log');
  });

  it.each([
    [['--since', 'yesterday'], 'It must be a time'],
    [['--instance', 'a b'], 'It must be 1 to 128 characters'],
    [['--witness', '/nonexistent/w.jsonl'], 'cannot be read'],
  ])('%j is bad usage', async (flags, message) => {
    const { code, err } = await audit(flags);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(message) });
  });

  it('an invalid line of the witness is named', async () => {
    const file = join(dir, 'odd.jsonl');
    await writeFile(
      file,
      `${witnessLines('i').split('\n')[0]}\n{"instanceId": "i", "attempt": 0}\n`,
    );
    expect(await audit(['--witness', file])).toMatchObject({
      code: 2,
      err: expect.stringContaining('line 2: cellId'),
    });
  });

  it('an unreachable Postgres is unavailable; another namespace than the given one is refused', async () => {
    expect((await audit(['--database', 'postgres://leasehold_app@127.0.0.1:1/none'])).code).toBe(5);
    expect(await audit([], { LEASEHOLD_NAMESPACE: 'other' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('namespace'),
    });
  });

  it('one moment: what replicas append meanwhile is not seen in part', async () => {
    await writeSample('i');
    const source = await AuditSource.open({ url: database.appUrl });
    await writeSample('j');
    const seen: string[] = [];
    for await (const page of source.pages()) seen.push(...page.map(({ instanceId }) => instanceId));
    await source.close();
    expect(seen).toEqual(['i']);
  });
});

it('20,000 instances are read page by page, and one corrupted row among them is found', async () => {
  await log(database).pushRunbook(RUNBOOK);
  const client = await intruder();
  await generate(client, 20_000);
  await client.query(
    `update leasehold.executions set fencing_token = 1 where instance_id = 'g12345' and seq = 3`,
  );
  const startMs = performance.now();
  const { code, breaches, summary } = await audit(['--json']);
  const tookMs = performance.now() - startMs;
  const perSecond = Math.round(20_000 / (tookMs / 1_000));
  process.stderr.write(
    `audited 20,000 instances, ${summary.rows} rows, in ${Math.round(tookMs)} ms: ${perSecond}/s\n`,
  );
  expect(code).toBe(1);
  expect(summary).toMatchObject({ instances: 20_000, rows: 80_000, breached: 1 });
  expect(summary.checks.find(({ check }) => check === 'receipt-accounts-for-rows')).toMatchObject({
    seen: 40_000,
  });
  expect([...new Set(breaches.map(({ instanceId }) => instanceId))]).toEqual(['g12345']);
  expect(breaches.map(({ check }) => check)).toContain('tokens-never-go-back');
});

/**
 * Instances by SQL: held and gate are through, again is running; two requests each, of which the
 * second found it parked.
 */
async function generate(client: Client, count: number): Promise<void> {
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
