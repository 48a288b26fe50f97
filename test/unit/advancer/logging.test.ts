import { Writable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import { initWarning } from '../../../advancer/init-process.ts';
import { createLogger } from '../../../advancer/logging.ts';
import { logCommit } from '../../../advancer/run/commit-log.ts';
import { Redaction } from '../../../advancer/secrets/redaction.ts';
import { tracesOf } from '../../harness/secret-hunt.ts';
import type { Row } from '../../../src/execution/row.ts';
import type { InstanceStatus } from '../../../src/execution/status.ts';

async function logger(format: 'json' | 'pretty', redaction?: () => Redaction) {
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  const made = await createLogger(
    { level: 'info', format, replicaId: 'a-1', color: false, redaction },
    stream,
  );
  return { lines, logger: made };
}

const row = (more: Partial<Row>): Row => ({
  instanceId: 'refund-7',
  seq: 2,
  fencingToken: 17,
  replicaId: 'a-1',
  kind: 'completed',
  cellId: 'charge',
  attempt: 2,
  requestId: 'q-1',
  agentId: 'agent',
  body: {},
  recordedAt: '2030-01-01T00:00:00.000Z',
  ...more,
});

const place = { instanceId: 'refund-7', cellId: 'charge', attempt: 2, token: 17, requestId: 'q-1' };

describe('a log line', () => {
  it('has the name of its level, an ISO time and no name twice', async () => {
    const { lines, logger: log } = await logger('json');
    log.warn({ replicaId: 'b-2', level: 'x', instanceId: 'i' }, 'a peer');
    const [line = ''] = lines;
    const parsed = JSON.parse(line) as Record<string, unknown>;
    expect(parsed).toMatchObject({
      level: 'warn',
      replicaId: 'a-1',
      msg: 'a peer',
      instanceId: 'i',
    });
    expect(new Date(String(parsed['time'])).toISOString()).toBe(parsed['time']);
    const names = [...line.matchAll(/[{,]"([^"]+)":/g)].map(([, name]) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(['json', 'pretty'] as const)(
    'in %s shows no secret, wherever it comes from',
    async (format) => {
      const secrets = { TOKEN: 'tok "live" \\ 51H8x', PIN: '1234567890' };
      const redaction = new Redaction(
        Object.entries(secrets).map(([name, value]) => ({ name, value })),
      );
      const { lines, logger: log } = await logger(format, () => redaction);
      const cause = new Error(`cause ${secrets.TOKEN}`);
      log.error(
        { err: new Error(secrets.TOKEN, { cause }), [secrets.TOKEN]: 1, token: 1234567890 },
        `it was ${encodeURIComponent(secrets.TOKEN)}`,
      );
      expect(tracesOf(secrets, [['line', lines.join('')]])).toEqual([]);
      expect(lines.join('')).toContain('it was [secret TOKEN]');
    },
  );

  it('stays JSON where a number was a secret', async () => {
    const redaction = new Redaction([{ name: 'PIN', value: '1234567890' }]);
    const { lines, logger: log } = await logger('json', () => redaction);
    log.warn({ token: 1234567890 }, 'a line');
    expect(JSON.parse(lines.join(''))).toMatchObject({ token: '[secret PIN]', level: 'warn' });
  });
});

describe('a commit is logged at info', () => {
  async function logged(rows: Row[], status: InstanceStatus) {
    const { lines, logger: log } = await logger('json');
    logCommit(log, { instanceId: 'refund-7', rows, status, receipt: undefined, childEnded: false });
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('not at all when it is an ordinary one', async () => {
    const rows = [row({ kind: 'started' }), row({}), row({ kind: 'satisfied' })];
    expect(await logged(rows, 'completed')).toEqual([]);
    expect(await logged([row({ kind: 'failed' })], 'ready')).toEqual([]);
  });

  it('when the instance halts, with the reason', async () => {
    const failed = row({ kind: 'failed', body: { error: { message: 'exit code 3' } } });
    expect(await logged([failed], 'halted')).toMatchObject([
      { ...place, msg: 'the instance halted', why: 'exit code 3' },
    ]);
    const checks = [{ cell: 'a', pointer: '/n', equals: 1, actual: 2, held: false }];
    expect(await logged([row({ kind: 'refuted', body: { checks } })], 'halted')).toMatchObject([
      { ...place, why: 'a /n is 2, expected 1' },
    ]);
  });

  it('when an attempt is interrupted, decided and in doubt', async () => {
    const interrupted = row({
      kind: 'interrupted',
      body: { reason: 'crash', detail: 'b is gone' },
    });
    expect(await logged([interrupted], 'in_doubt')).toMatchObject([
      { ...place, msg: 'an attempt was interrupted', reason: 'crash', detail: 'b is gone' },
      { ...place, msg: 'the instance is in doubt' },
    ]);
    const decided = row({ kind: 'decided', body: { as: 'rerun', by: '@policy', reason: 'r' } });
    expect(await logged([interrupted, decided], 'ready')).toMatchObject([
      place,
      { ...place, msg: 'an attempt was decided', as: 'rerun', by: '@policy' },
    ]);
  });
});

describe('the first process of a container', () => {
  it('says that it needs an init, and any other says nothing', () => {
    expect(initWarning(1)).toMatch(/zombies; .* or use an init: `docker run --init`/);
    expect(initWarning(2)).toBeUndefined();
  });
});
