import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { AuditSource } from '../../../../advancer/log/audit-source.ts';
import { RUNBOOK } from '../../../unit/src/audit/sample.ts';
import { log, logDatabase } from './fixture.ts';
import type { LogDatabase } from './fixture.ts';
import { audit, generate, intruder, witnessLines, writeSample } from './audit-fixture.ts';

let database: LogDatabase;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'leasehold-audit-'));
});
afterAll(() => rm(dir, { recursive: true }));
beforeEach(async () => {
  database = await logDatabase();
});

describe('the scope of an audit', () => {
  it('can be one instance, or those with rows since a time', async () => {
    await writeSample(database, 'i');
    await writeSample(database, 'j');
    const superuser = await intruder(database);
    await superuser.query(`delete from leasehold.executions where instance_id = 'j' and seq = 6`);
    expect((await audit(database, ['--json', '--instance', 'i'])).summary).toMatchObject({
      instances: 1,
      rows: 19,
      breaches: 0,
    });
    expect(await audit(database, ['--json', '--instance', 'j'])).toMatchObject({
      code: 1,
      summary: { instances: 1 },
    });
    expect((await audit(database, ['--json', '--since', '1h'])).summary).toMatchObject({
      instances: 2,
      rows: 37,
    });
    for (const table of ['instances', 'executions', 'requests', 'late_outcomes']) {
      await superuser.query(
        `update leasehold.${table} set recorded_at = '2020-01-01T00:00:00Z' where instance_id = 'j'`,
      );
    }
    const since = await audit(database, ['--json', '--since', '2021-01-01']);
    expect(since).toMatchObject({ code: 0, summary: { instances: 1, rows: 19, breaches: 0 } });
    expect((await audit(database, ['--instance', 'nobody'])).err).toContain(
      'nobody has no rows in the log',
    );
  });

  it.each([
    [['--since', 'yesterday'], 'It must be a time'],
    [['--instance', 'a b'], 'It must be 1 to 128 characters'],
    [['--witness', '/nonexistent/w.jsonl'], 'cannot be read'],
  ])('%j is bad usage', async (flags, message) => {
    const { code, err } = await audit(database, flags);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(message) });
  });

  it('names an invalid line of the witness', async () => {
    const file = join(dir, 'odd.jsonl');
    await writeFile(
      file,
      `${witnessLines('i').split('\n')[0]}\n{"instanceId": "i", "attempt": 0}\n`,
    );
    expect(await audit(database, ['--witness', file])).toMatchObject({
      code: 2,
      err: expect.stringContaining('line 2: cellId'),
    });
  });

  it('exits 5 when Postgres is unreachable, and refuses a namespace other than the given one', async () => {
    expect(
      (await audit(database, ['--database', 'postgres://leasehold_app@127.0.0.1:1/none'])).code,
    ).toBe(5);
    expect(await audit(database, [], { LEASEHOLD_NAMESPACE: 'other' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('namespace'),
    });
  });

  it('is one snapshot: what replicas append meanwhile is not seen in part', async () => {
    await writeSample(database, 'i');
    const source = await AuditSource.open({ url: database.appUrl });
    await writeSample(database, 'j');
    const seen: string[] = [];
    for await (const page of source.pages()) seen.push(...page.map(({ instanceId }) => instanceId));
    await source.close();
    expect(seen).toEqual(['i']);
  });
});

it('20,000 instances are read page by page, and one corrupted row among them is found', async () => {
  await log(database).pushRunbook(RUNBOOK);
  const client = await intruder(database);
  await generate(client, 20_000);
  await client.query(
    `update leasehold.executions set fencing_token = 1 where instance_id = 'g12345' and seq = 3`,
  );
  const startMs = performance.now();
  const { code, breaches, summary } = await audit(database, ['--json']);
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
