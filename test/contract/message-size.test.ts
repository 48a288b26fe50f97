import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { locateServer } from '../../tools/stack/locate.ts';
import { startNats } from '../../tools/stack/nats-server.ts';
import { closeWorkspace, openWorkspace } from '../../tools/stack/workspace.ts';
import { TestCluster } from '../harness/replicas.ts';
import { freshDatabase, serversForTests } from '../harness/servers.ts';
import { RowsReply } from './row-shapes.ts';
import { ErrorReply, Event, Receipt, read } from './shapes.ts';

/** The largest message of a NATS server that is configured to be strict. */
const MAX_PAYLOAD = 8_000;
const ASSERTS = 120;

let cluster: TestCluster;
const cleanups: (() => Promise<unknown>)[] = [];
const events: { bytes: number; event: ReturnType<typeof readEvent> }[] = [];

function readEvent(data: Uint8Array) {
  return read(Event, JSON.parse(new TextDecoder().decode(data)));
}

async function strictNats(): Promise<string> {
  const workspace = await openWorkspace();
  cleanups.push(() => closeWorkspace(workspace));
  const configFile = join(workspace.dir, 'strict.conf');
  await writeFile(configFile, `max_payload: ${MAX_PAYLOAD}\n`);
  const server = await startNats(await locateServer('nats'), workspace, { configFile });
  cleanups.push(() => server.stop());
  return server.url;
}

beforeAll(async () => {
  const natsUrl = await strictNats();
  const servers = {
    ...serversForTests(),
    superuserUrl: await freshDatabase(),
    natsUrls: [natsUrl],
  };
  cluster = await TestCluster.start({ replicas: 1, servers });
  cleanups.push(() => cluster.stop());
  await cluster.pushRunbook({
    runbook: 'large',
    version: 1,
    inputs: [],
    cells: [
      { id: 'big', exec: { command: ['node', '-e', `process.stdout.write('x'.repeat(100000))`] } },
      { id: 'small', exec: { command: ['node', '-e', `process.stdout.write('{"n":1}')`] } },
      ...Array.from({ length: ASSERTS }, (_, n) => ({
        id: `check${n}`,
        assert: [{ cell: 'small', pointer: '/n', equals: 1 }],
      })),
      {
        id: 'last',
        exec: {
          command: ['node', '-e', `process.stderr.write('why '.repeat(900)); process.exit(3)`],
        },
      },
    ],
  });
  cluster.nats.subscribe(`leasehold.${cluster.namespace}.event.large`, {
    callback: (_error, message) =>
      void events.push({ bytes: message.data.length, event: readEvent(message.data) }),
  });
  await cluster.nats.flush();
  await cluster.start('large', 'large');
});

afterAll(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

describe('a commit whose event is larger than the server takes', () => {
  it('is published all the same: a watcher learns of every row, and what was cut is marked', async () => {
    // So large a commit takes a busy machine a while, and what never began is repeated.
    let receipt: { outcome?: unknown };
    do receipt = await cluster.advance('large', 'large-1');
    while (receipt.outcome === 'unavailable');
    expect(read(Receipt, receipt)).toMatchObject({ outcome: 'halted', nextCellId: 'last' });
    await cluster.nats.flush();
    const rows = events.flatMap(({ event }) => event.rows);
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1));
    expect(rows.length).toBeGreaterThan(ASSERTS);
    expect(rows.at(-1)).toMatchObject({ kind: 'failed', cell_id: 'last' });
    expect(rows[1]).toMatchObject({ kind: 'completed', cell_id: 'big', body_truncated: true });
    expect(rows[1]?.body).not.toHaveProperty('output');
    const cut = rows.filter((row) => row.body_truncated === true);
    expect(cut.map((row) => row.cell_id)).toEqual(['big', 'last']);
    expect(Math.max(...events.map(({ bytes }) => bytes))).toBeLessThanOrEqual(MAX_PAYLOAD);
    const receipts = events.flatMap(({ event }) => event.receipt ?? []);
    expect(receipts).toMatchObject([{ requestId: 'large-1', outcome: 'halted' }]);
    expect(events.at(-1)?.event.receipt).toBeDefined();
  });

  it('is read in pages that fit, each row once, and only what fits in none is cut', async () => {
    for (const instanceId of ['large', undefined]) {
      const seen: number[] = [];
      let after: number | string | undefined = 0;
      while (after !== undefined) {
        const subject = `leasehold.${cluster.namespace}.rows`;
        const body = JSON.stringify({ instanceId, after });
        const { data } = await cluster.nats.request(subject, body, { timeout: 30_000 });
        expect(data.length).toBeLessThanOrEqual(MAX_PAYLOAD);
        const page = read(RowsReply, JSON.parse(new TextDecoder().decode(data)));
        for (const row of page.rows) {
          seen.push(row.seq);
          expect(row.body_truncated === true, `at ${row.cell_id}`).toBe(
            row.kind === 'completed' && row.cell_id === 'big',
          );
        }
        after = page.next;
      }
      expect(seen.length).toBeGreaterThan(ASSERTS);
      expect(seen).toEqual(seen.map((_, index) => index + 1));
    }
  });

  it('has its receipt answered with the newest steps, and the rest is in the log', async () => {
    const receipt = read(Receipt, await cluster.advance('large', 'large-1'));
    expect(receipt.stepsTruncated).toBe(true);
    expect(receipt.steps.at(-1)).toMatchObject({ cellId: 'last', kind: 'failed' });
    expect(receipt.steps.length).toBeGreaterThan(50);
    expect(receipt.error?.message).toContain('why why');
    const printed = await cluster.cli(['advance', 'large', '--request-id', 'large-1']);
    expect(printed.code).toBe(4);
    expect(printed.stdout).toContain('only the newest steps; all of them:');
    expect(printed.stdout).toContain('leasehold status large --log');
    // This many cells do not fit either, and the error says what to do.
    const { error } = read(ErrorReply, await cluster.status('large', { requestId: 'large-1' }));
    expect(error.message).toContain('raise it, or read leasehold.executions in Postgres');
  });
});
