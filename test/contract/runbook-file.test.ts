import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { FollowedProcess } from './child.ts';
import { StatusReply, read } from './shapes.ts';

/** The example in the contract. */
const REFUND = `runbook: refund
version: 1
inputs: [ledger, order]
cells:
  - {id: about, prose: Refunds an order once.}
  - {id: approved, await: {claim: "refund-\${inputs.order}", statuses: [approved]}}
  - id: charge
    exec: {http: {method: POST, url: "\${inputs.ledger}/effects", body: {order: "\${inputs.order}"}}}
    expect: [{status: 201}, {pointer: /count, equals: 1}]
    timeout: 10s            # default 5m
    retry: {attempts: 3, backoff: 200ms}
    onInterrupt: probe
    probe: {command: [node, probe.mjs]}   # prints {"answer": "happened", "output": {…}}
  - {id: check, assert: [{cell: charge, pointer: /count, equals: 1}]}
  - {id: notify, exec: {command: [./notify.sh]}, expect: [{exitCode: 0}], onInterrupt: rerun}
`;

const LEDGER = fileURLToPath(new URL('../../examples/ledger/ledger.mjs', import.meta.url));

let cluster: TestCluster;
let folder: string;
let ledger: FollowedProcess;
let replica: FollowedProcess;
let ledgerUrl: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leasehold-refund-'));
  await writeFile(join(folder, 'refund.yaml'), REFUND);
  ledger = new FollowedProcess(LEDGER, [], { PATH: process.env['PATH'] });
  cluster = await TestCluster.start();
  ledgerUrl = ((await ledger.firstLine()) as { url: string }).url;
});

afterAll(async () => {
  await Promise.all([ledger?.end(), replica?.end(), cluster?.stop()]);
  await rm(folder, { recursive: true });
});

it('the runbook in the contract is accepted by lint and push unchanged', async () => {
  const file = join(folder, 'refund.yaml');
  const linted = await cluster.cli(['runbook', 'lint', file, '--json']);
  expect(linted.code).toBe(0);
  expect(linted.stderr).toMatch(/^warning: .* lets \$\{inputs\.ledger\} choose the host: .*\n$/);
  const pushed = await cluster.cli(['runbook', 'push', file, '--json']);
  expect(pushed).toMatchObject({ code: 0, stderr: linted.stderr });
  const { rows } = await cluster.app.query<{ cells: { id: string }[]; digest: string }>(
    `select cells, digest from leasehold.runbooks where runbook_id = 'refund' and version = 1`,
  );
  expect(rows[0]?.cells.map(({ id }) => id)).toEqual([
    'about',
    'approved',
    'charge',
    'check',
    'notify',
  ]);
  expect(rows[0]?.digest).toMatch(/^[0-9a-f]{64}$/);
});

it("the example's ledger stores headers, body and time, and counts by key", async () => {
  const send = (key: string, body: object) =>
    fetch(`${ledgerUrl}/effects`, {
      method: 'POST',
      headers: { 'idempotency-key': key, 'content-type': 'application/json', 'x-mine': 'yes' },
      body: JSON.stringify(body),
    });
  const first = await send('k/1', { n: 1 });
  expect(first.status).toBe(201);
  expect(await first.json()).toEqual({ key: 'k/1', count: 1 });
  await send('k/2', { n: 2 });
  expect(await (await send('k/1', { n: 3 })).json()).toEqual({ key: 'k/1', count: 2 });
  const found = (await (await fetch(`${ledgerUrl}/effects?key=k/1`)).json()) as {
    count: number;
    effects: Record<string, unknown>[];
  };
  expect(found.count).toBe(2);
  expect(found.effects.map(({ body }) => body)).toEqual([{ n: 1 }, { n: 3 }]);
  for (const { headers, time } of found.effects) {
    expect(headers).toMatchObject({ 'idempotency-key': 'k/1', 'x-mine': 'yes' });
    expect(new Date(time as string).toISOString()).toBe(time);
  }
});

it('runs from its claim to its end, with one effect in the ledger', async () => {
  // Commands run in the folder in which the replica was started.
  await writeFile(
    join(folder, 'notify.sh'),
    '#!/bin/sh\necho "notified for $LEASEHOLD_INSTANCE_ID"\n',
  );
  await chmod(join(folder, 'notify.sh'), 0o755);
  replica = FollowedProcess.leasehold(['advancer', '--json'], cluster.env, folder);
  await replica.firstLine();
  await cluster.start('refund-A-7', 'refund', { ledger: ledgerUrl, order: 'A-7' });
  expect(await cluster.advance('refund-A-7', 'r1')).toMatchObject({
    outcome: 'parked',
    awaiting: { claimId: 'refund-A-7', statuses: ['approved'] },
  });
  await cluster.request(cluster.subject('claim', 'refund-A-7'), {
    status: 'approved',
    agentId: 'boss',
  });
  const receipt = await cluster.advance('refund-A-7', 'r2');
  expect(receipt.steps.map(({ cellId, kind }) => `${cellId} ${kind}`)).toEqual([
    'approved satisfied',
    'charge started',
    'charge completed',
    'check satisfied',
    'notify started',
    'notify completed',
  ]);
  expect(receipt.outcome).toBe('completed');
  const { cells } = read(StatusReply, await cluster.status('refund-A-7'));
  expect(cells.map(({ cellId, type }) => `${cellId} ${type}`)).toEqual([
    'about prose',
    'approved await',
    'charge exec',
    'check assert',
    'notify exec',
  ]);
  const key = 'refund-A-7/charge/1';
  expect(cells[2]?.output).toEqual({ key, count: 1 });
  expect(cells[4]?.output).toEqual({ stdout: 'notified for refund-A-7\n' });
  const found = await (await fetch(`${ledgerUrl}/effects?key=${encodeURIComponent(key)}`)).json();
  expect(found).toMatchObject({
    count: 1,
    effects: [
      {
        body: { order: 'A-7' },
        headers: {
          'idempotency-key': key,
          'leasehold-fencing-token': String(receipt.holder?.fencingToken),
        },
      },
    ],
  });
});
