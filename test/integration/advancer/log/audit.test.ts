import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { AuditSource } from '../../../../advancer/log/audit-source.ts';
import { connect, logDatabase } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';
import { audit, intruder, witnessLines, writeSample } from './audit-fixture.ts';

/*
 * The audit against Postgres: as `leasehold audit` runs it, with the application's rights, on logs
 * that the product wrote, and on logs that a superuser has altered behind the guard's back.
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

describe('a log that the product wrote', () => {
  it('is clean, and every check that needs only a log has examined something', async () => {
    await writeSample(database, 'i');
    const { code, breaches, summary } = await audit(database, ['--json']);
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
    const witnessed = [
      'effect-seen-once',
      'intent-before-effect',
      'not-started-never-ran',
      'failed-effect-did-not-happen',
      'happened-under-one-key',
    ];
    // There are no schedules.
    const scheduled = [
      'ticks-in-order',
      'tick-of-its-schedule',
      'no-tick-left-out',
      'tick-has-its-instance',
    ];
    const others = ['told-what-is-recorded', 'stuck-instance'];
    expect(counts(false)).toEqual(expect.arrayContaining([...witnessed, ...scheduled, ...others]));
    expect(counts(false)).toHaveLength(17);
    const unseen = summary.checks.filter(({ checked, seen }) => checked > 0 && seen === 0);
    // The life of an instance and schedules have their own samples.
    expect(unseen.map(({ check }) => check).toSorted()).toEqual([
      'cancelled-is-final',
      'cancelled-while-cells-were-left',
      'children-ended-before-verdict',
      'children-fenced-by-parent',
      'children-started-once',
      'derived-requests-write',
      'ended-by-whom',
      'expired-ran-nothing',
      'halted-cell-repaired-by-agent',
      'instance-of-its-tick',
      'left-names-open-doubts',
      'skipped-only-where-allowed',
      'unattended-comes-back',
      'undone-in-reverse-order',
      'undone-once-or-visibly-not',
      'undone-only-while-unwinding',
      'unwinds-at-most-once',
      'wait-ended-when-due',
    ]);
  });

  it('is shown as a table that also names what could not be checked', async () => {
    await writeSample(database, 'i');
    const { code, out } = await audit(database);
    expect(code).toBe(0);
    expect(out).toMatch(/^chain-unbroken +1 +19 rows +0 +ok$/m);
    expect(out).toMatch(/^effect-seen-once +3 +- +- +not checked$/m);
    expect(out).toMatch(/^expired-ran-nothing +7 +0 expired requests +0 +nothing to look at$/m);
    expect(out).toMatch(/^clean: no breach in 1 instance, 19 rows/m);
  });

  it('is clean with a witness that saw each effect once', async () => {
    await writeSample(database, 'i');
    const file = join(dir, 'good.jsonl');
    await writeFile(file, witnessLines('i'));
    const { code, breaches, summary } = await audit(database, ['--json', '--witness', file]);
    expect({ code, breaches }).toEqual({ code: 0, breaches: [] });
    expect(summary.checks.find(({ check }) => check === 'effect-seen-once')).toMatchObject({
      checked: 1,
      seen: 6,
    });
  });

  it('is breached once the witness saw an effect twice, without an intent, or of an unknown instance', async () => {
    await writeSample(database, 'i');
    const file = join(dir, 'bad.jsonl');
    const stranger = witnessLines('ghost').split('\n')[0]!;
    const twice = witnessLines('i').split('\n')[2]!;
    await writeFile(file, [witnessLines('i'), twice, stranger, ''].join('\n'));
    const { code, breaches } = await audit(database, ['--json', '--witness', file]);
    expect(code).toBe(1);
    expect(breaches).toMatchObject([
      { check: 'effect-seen-once', instanceId: 'i', seqs: [7] },
      { check: 'intent-before-effect', instanceId: 'ghost' },
    ]);
  });

  it('is audited with the application’s rights to read and insert, and nothing is written', async () => {
    await writeSample(database, 'i');
    const source = await AuditSource.open({ url: database.appUrl });
    for await (const page of source.pages()) expect(page).toHaveLength(1);
    // Postgres assigns a transaction its id when it first writes.
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
    await writeSample(database, 'i');
    expect((await audit(database, ['--json'])).code).toBe(0);
    await (await intruder(database)).query(sql);
    const { code, breaches } = await audit(database, ['--json']);
    expect(code).toBe(1);
    expect(breaches).toContainEqual(
      expect.objectContaining({ check, guarantee, severity: 'breach', seqs }),
    );
  });

  it('the table counts breaches, and each breach names its instance and rows', async () => {
    await writeSample(database, 'i');
    await (
      await intruder(database)
    ).query('update leasehold.executions set fencing_token = 13 where seq = 19');
    const { code, out } = await audit(database);
    expect(code).toBe(1);
    expect(out).toMatch(/^tokens-never-go-back +2 +19 rows +1 +BREACH$/m);
    expect(out).toContain(
      'i seq 18, 19: tokens-never-go-back (guarantee 2): token 13 of rC came after 14 of rC',
    );
  });

  it('a projection that lags is a warning, and does not fail the audit', async () => {
    await writeSample(database, 'i');
    await (
      await intruder(database)
    ).query(`update leasehold_projection.instances set last_seq = 3`);
    const { code, breaches } = await audit(database, ['--json']);
    expect(code).toBe(0);
    expect(breaches).toMatchObject([
      { check: 'projection-agrees', severity: 'warning', seqs: [19] },
    ]);
  });
});
