import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { runbookDigest } from '../../advancer/log/sql/runbooks.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { TestCluster } from '../harness/replicas.ts';
import type { ReceiptReply } from '../harness/replies.ts';
import { Receiver } from './receiver.ts';

/*
 * The log of an earlier release, as its replica wrote it, with instances in every state: none of
 * its rows says `notBegun` or `happened`, and failures that are unknown outcomes today (a gateway's
 * 504, exit code 137, an output that is too large) are `failed`. The replica was killed at the end.
 * Each line of the file is a row of a table.
 */
const FILE = join(import.meta.dirname, '..', 'harness', 'previous-release.jsonl');
/** Where its http cells called, and how long its retries waited. */
const ADDRESS = 'http://127.0.0.1:31999';
const BACKOFF = '"60s"';

/** What its replica said last of each instance that it had ended or stopped at. */
const AT_REST = {
  completed: ['done', 'rerun', 'probed', 'exit-137', 'gateway'],
  halted: [
    'halted',
    'exit-137-halted',
    'too-large',
    'not-json',
    'unexpected',
    'no-handler',
    'refuted',
  ],
  in_doubt: ['doubt'],
  parked: ['parked'],
} as const;

interface Line {
  table: string;
  row: Record<string, unknown>;
}

let cluster: TestCluster;
let receiver: Receiver;
let lines: Line[];

beforeAll(async () => {
  [cluster, receiver] = await Promise.all([TestCluster.start(), Receiver.listen()]);
  const text = await readFile(FILE, 'utf8');
  lines = text
    .replaceAll(ADDRESS, receiver.url)
    .replaceAll(BACKOFF, '"10ms"')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
  for (const { table, row } of lines) if (table === 'runbooks') row['digest'] = digestOf(row);
  await copyRows();
  await raiseRevision(100);
  const rebuilt = await cluster.cli(['migrate', '--rebuild-projection']);
  if (rebuilt.code !== 0) throw new Error(rebuilt.stderr);
});
afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

/** The digest of a runbook, of which the address or the backoff may be another now. */
function digestOf({ runbook_id: runbook, version, inputs, cells }: Line['row']): string {
  return runbookDigest({ runbook, version, inputs, cells } as Runbook);
}

/** As docs/operations.md says how to copy the data of an old database: without the triggers. */
async function copyRows(): Promise<void> {
  const client = new Client({ connectionString: cluster.servers.superuserUrl });
  await client.connect();
  await client.query('begin; set local session_replication_role = replica');
  for (const { table, row } of lines) {
    // Columns that are newer than the log get their defaults.
    const columns = Object.keys(row).join(', ');
    await client.query(
      `insert into leasehold.${table} (${columns})
         select ${columns} from jsonb_populate_record(null::leasehold.${table}, $1)`,
      [JSON.stringify(row)],
    );
  }
  await client.query('commit');
  await client.end();
}

/** The tokens of the log must not be ahead of etcd. */
async function raiseRevision(times: number): Promise<void> {
  const key = Buffer.from(`/${cluster.namespace}`).toString('base64');
  const url = `${cluster.servers.etcdUrls[0] ?? ''}/v3/kv/put`;
  for (let put = 0; put < times; put += 1)
    await fetch(url, { method: 'POST', body: JSON.stringify({ key, value: key }) });
}

/** What the audit found, but not that attempts have been open since the log was written. */
async function audit(): Promise<{ code: number | null; breaches: string[] }> {
  const { code, stdout } = await cluster.cli(['audit', '--json']);
  const found = stdout.split('\n').filter((line) => line.startsWith('{"check"'));
  return { code, breaches: found.filter((line) => !line.includes('"check":"open-for-long"')) };
}

const recorded = (requestId: string): unknown =>
  lines.find(({ table, row }) => table === 'requests' && row['request_id'] === requestId)?.row[
    'receipt'
  ];

const decide = (instanceId: string, as: string, more: object = {}) =>
  cluster.request(cluster.subject('decide', instanceId), {
    agentId: 'tester',
    cellId: 'work',
    attempt: 1,
    as,
    reason: 'seen',
    ...more,
  });

/** The idempotency keys of the attempts that this release has begun. */
async function newKeys(instanceId: string): Promise<unknown[]> {
  const old = lines.filter(
    ({ table, row }) => table === 'executions' && row['instance_id'] === instanceId,
  ).length;
  return (await cluster.rows(instanceId))
    .filter(({ seq, kind }) => seq > old && kind === 'started')
    .map(({ body }) => body['idempotencyKey']);
}

describe('a log that an earlier release wrote', () => {
  it('has runbooks whose digests are those of this release', async () => {
    const text = await readFile(FILE, 'utf8');
    const all = text.trim().split('\n');
    const books = all
      .map((line) => JSON.parse(line) as Line)
      .filter(({ table }) => table === 'runbooks');
    expect(books.length).toBeGreaterThan(20);
    for (const { row } of books) expect(digestOf(row)).toBe(row['digest']);
  });

  it('passes the audit', async () => {
    expect(await audit()).toEqual({ code: 0, breaches: [] });
  });

  it('means the same: statuses, outputs, receipts and what their requests get again', async () => {
    await cluster.startReplica('now');
    for (const [status, ids] of Object.entries(AT_REST)) {
      for (const id of ids) {
        const requestId = `r-${id}`;
        const shown = await cluster.status(id, { requestId, log: true });
        expect({ id, status: shown.status }).toEqual({ id, status });
        expect(shown).toMatchObject({ receipt: recorded(requestId) });
        expect(recorded(requestId)).toMatchObject({ outcome: status });
        const rows = await cluster.rows(id);
        expect(await cluster.advance<unknown>(id, requestId)).toEqual(recorded(requestId));
        expect(await cluster.rows(id)).toEqual(rows);
      }
    }
    const { cells } = await cluster.status('done');
    expect(cells.map(({ output }) => output)).toEqual([
      5,
      { count: 1, big: 12.5 },
      { stdout: 'hello\n' },
      { checks: [{ cell: 'object', pointer: '/count', equals: 1, actual: 1, held: true }] },
      { stdout: '1 hello\n\n' },
    ]);
  });

  it('halts again where it had halted, and writes nothing', async () => {
    for (const id of AT_REST.halted) {
      const rows = await cluster.rows(id);
      expect(await cluster.advance(id, `again-${id}`)).toMatchObject({ outcome: 'halted' });
      expect(await cluster.rows(id)).toEqual(rows);
    }
  });

  it.each<[id: string, outcome: string, keys: string[]]>([
    ['fresh', 'completed', ['fresh/work/1', 'fresh/last/1']],
    // A failure was a refusal, so the next attempt has a new key, as it would have had then.
    ['retrying', 'completed', ['retrying/work/2', 'retrying/last/1']],
    ['gateway-waits', 'completed', ['gateway-waits/call/2', 'gateway-waits/last/1']],
    ['unexpected-waits', 'completed', ['unexpected-waits/work/2', 'unexpected-waits/last/1']],
    // It is refused once more, and the cell allows two attempts.
    ['refused-connection', 'halted', ['refused-connection/call/2']],
    ['claimed', 'completed', ['claimed/last/1']],
    ['parked', 'parked', []],
    // An attempt of the replica that was killed, which the policy repeats under its key.
    ['open-rerun', 'completed', ['open-rerun/work/1', 'open-rerun/last/1']],
    ['decided-succeeded', 'completed', ['decided-succeeded/last/1']],
    ['decided-skipped', 'completed', ['decided-skipped/last/1']],
    ['decided-failed', 'halted', []],
    ['decided-rerun', 'in_doubt', ['decided-rerun/work/1']],
  ])('goes on: %s is %s', async (id, outcome, keys) => {
    expect(await cluster.advance(id, `next-${id}`)).toMatchObject({ outcome });
    expect(await newKeys(id)).toEqual(keys);
  });

  it('holds what was open when its replica was killed, and a decision settles it', async () => {
    const doubts = ['open', 'retrying-thrice'];
    const receipts: ReceiptReply[] = [];
    for (const id of doubts) receipts.push(await cluster.advance(id, `next-${id}`));
    expect(receipts.map(({ outcome, inDoubt }) => [outcome, inDoubt?.reason])).toEqual([
      ['in_doubt', 'crash'],
      ['in_doubt', 'crash'],
    ]);
    await decide('open', 'succeeded');
    await decide('retrying-thrice', 'rerun', { attempt: 3 });
    for (const id of doubts)
      expect(await cluster.advance(id, `then-${id}`)).toMatchObject({ outcome: 'completed' });
    expect(await newKeys('open')).toEqual(['open/last/1']);
    // Two refusals before it, so its key is that of the third run, as it was.
    expect(await newKeys('retrying-thrice')).toEqual([
      'retrying-thrice/work/3',
      'retrying-thrice/last/1',
    ]);
    await decide('doubt', 'skipped');
    expect(await cluster.advance('doubt', 'next-doubt')).toMatchObject({ outcome: 'completed' });
  });

  it('still passes the audit with the rows of both', async () => {
    expect(await audit()).toEqual({ code: 0, breaches: [] });
  });
});
