import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { TRUE, push } from './runbooks.ts';

let cluster: TestCluster;
let receiver: Receiver;
let folder: string;

const node = (script: string) => ({ command: [process.execPath, '-e', script] });

beforeAll(async () => {
  [receiver, folder] = await Promise.all([
    Receiver.listen(),
    mkdtemp(join(tmpdir(), 'leasehold-happened-')),
  ]);
  const handlers = join(folder, 'handlers.mjs');
  await writeFile(handlers, 'export const bad = () => () => 1;');
  cluster = await TestCluster.start({ env: { LEASEHOLD_HANDLERS: handlers } });
  const large = "process.stdout.write('x'.repeat(300000))";
  const badFile = `require('fs').writeFileSync(process.env.LEASEHOLD_OUTPUT_FILE, 'hello')`;
  const lost = (runbook: string, exec: object): object => ({
    runbook,
    version: 1,
    inputs: [],
    cells: [
      { id: 'effect', exec, retry: { attempts: 3, backoff: '1ms' } },
      { id: 'next', exec: { command: ['echo', '${outputs.effect}'] } },
    ],
  });
  const only = (runbook: string, cell: object): object => ({
    runbook,
    version: 1,
    inputs: [],
    cells: [{ id: 'only', retry: { attempts: 3, backoff: '1ms' }, ...cell }],
  });
  const happened = [
    lost('large-stdout', node(large)),
    lost('large-body', {
      http: { method: 'POST', url: `${receiver.url}/large/body` },
    }),
    lost('bad-file', node(badFile)),
    lost('bad-value', { handler: 'bad' }),
    only('unexpected', { exec: TRUE, expect: [{ pointer: '/stdout', equals: 'x' }] }),
    only('unverified', {
      exec: node(badFile),
      expect: [{ pointer: '/a', equals: 1 }],
      onInterrupt: 'rerun',
    }),
  ];
  await Promise.all([push(cluster, ...happened), cluster.startReplica('a')]);
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
  await rm(folder, { recursive: true });
});

describe.concurrent('an effect that happened is never failed and tried again', () => {
  it.each(['large-stdout', 'large-body', 'bad-file', 'bad-value'])('%s', async (runbook) => {
    await cluster.start(runbook, runbook);
    expect(await cluster.advance(runbook, `${runbook}-1`)).toMatchObject({ outcome: 'halted' });
    const rows = await cluster.rows(runbook);
    expect(rows.map(({ kind, cell_id }) => `${kind} ${cell_id}`)).toEqual([
      'started effect',
      'completed effect',
      'started next',
      'failed next',
    ]);
    expect(rows[1]?.body['output']).toEqual({
      outputLost: {
        why: expect.any(String) as string,
        bytes: expect.any(Number) as number,
        head: expect.any(String) as string,
      },
    });
    // Nothing of the next cell was sent, which needs the output.
    expect(rows[3]?.body).toMatchObject({
      notBegun: true,
      error: { message: expect.stringContaining('the output of effect was lost') as string },
    });
  });

  it('not even if what is expected of it does not hold', async () => {
    await cluster.start('unexpected', 'unexpected');
    expect(await cluster.advance('unexpected', 'unexpected-1')).toMatchObject({
      outcome: 'halted',
    });
    const rows = await cluster.rows('unexpected');
    expect(rows.map(({ kind }) => kind)).toEqual(['started', 'failed']);
    expect(rows[1]?.body).toMatchObject({ happened: true });
  });

  it('is in doubt, whatever the policy, if what is expected of it cannot be evaluated', async () => {
    await cluster.start('unverified', 'unverified');
    const receipt = await cluster.advance('unverified', 'unverified-1');
    expect(receipt).toMatchObject({ outcome: 'in_doubt', inDoubt: { reason: 'unverified' } });
    const decide = (as: string): Promise<unknown> =>
      cluster.request(cluster.subject('decide', 'unverified'), {
        agentId: 'person',
        cellId: 'only',
        attempt: 1,
        as,
        reason: 'looked',
      });
    expect(await decide('failed')).toMatchObject({ as: 'failed' });
    expect(await cluster.advance('unverified', 'unverified-2')).toMatchObject({
      outcome: 'halted',
    });
    const rows = await cluster.rows('unverified');
    expect(rows.map(({ kind }) => kind)).toEqual(['started', 'interrupted', 'decided']);
    expect(rows[2]?.body).toMatchObject({ as: 'failed', happened: true });
  });
});
