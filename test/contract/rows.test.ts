import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { RowsReply } from './row-shapes.ts';
import { push, two } from './runbooks.ts';
import { ErrorReply, read } from './shapes.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 2, ttlS: 30 });
  await push(cluster, two);
});
afterAll(() => cluster?.stop());

const ask = (body: object): Promise<unknown> => cluster.request(cluster.subject('rows'), body);
const rows = async (body: object) => read(RowsReply, await ask(body));
const keys = (page: { rows: { instance_id: string; seq: number }[] }): string[] =>
  page.rows.map((row) => `${row.instance_id}/${row.seq}`);

describe('rows', () => {
  it('of one instance come after a seq, as the log has them, with next while there are more', async () => {
    await cluster.start('one', 'two');
    await cluster.advance('one', 'one-1');
    const { log = [] } = await cluster.status('one', { log: true });
    expect(await rows({ instanceId: 'one' })).toEqual({ rows: log });
    const page = await rows({ instanceId: 'one', after: 1, limit: 2 });
    expect(keys(page)).toEqual(['one/2', 'one/3']);
    expect(page.next).toBe(3);
    expect(await rows({ instanceId: 'one', after: log.length })).toEqual({ rows: [] });
    expect(await rows({ instanceId: 'one', after: 'now' })).toEqual({ rows: [], next: log.length });
  });

  it('of all instances come once each; next leads on, whichever replica answers', async () => {
    await cluster.start('two', 'two');
    await cluster.advance('two', 'two-1');
    const { rows: stored } = await cluster.app.query<{ key: string }>(
      `select instance_id || '/' || seq as key from leasehold.executions`,
    );
    const seen: string[] = [];
    let after: number | string = 0;
    for (;;) {
      const page: RowsReply = await rows({ after, limit: 3 });
      seen.push(...keys(page));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(seen.toSorted()).toEqual(stored.map(({ key }) => key).toSorted());
    const now = await rows({ after: 'now' });
    expect(now.rows).toEqual([]);
    await cluster.start('three', 'two');
    await cluster.advance('three', 'three-1');
    const newer = await rows({ after });
    expect(new Set(newer.rows.map((row) => row.instance_id))).toEqual(new Set(['three']));
    expect(keys(await rows({ after: now.next }))).toEqual(keys(newer));
  });

  it('are refused with the field to correct', async () => {
    const { next } = await rows({ after: 'now' });
    const cursor = String(next);
    const restored = cursor.split('.').with(2, '99').join('.');
    const foreign = cursor.split('.').with(1, '1-1').join('.');
    const wrong: [object, string, string][] = [
      [{ instanceId: 'none' }, 'not_found', 'instanceId'],
      [{ instanceId: 'one', after: 999 }, 'conflict', 'after'],
      [{ instanceId: 'one', after: cursor }, 'invalid', 'after'],
      [{ after: 3 }, 'invalid', 'after'],
      [{ after: 'one' }, 'invalid', 'after'],
      [{ after: restored }, 'conflict', 'after'],
      [{ after: foreign }, 'conflict', 'after'],
      [{ limit: 0 }, 'invalid', 'limit'],
      [{ limit: 1_001 }, 'invalid', 'limit'],
    ];
    for (const [body, code, field] of wrong) {
      const { error } = read(ErrorReply, await ask(body));
      expect(error, `at ${JSON.stringify(body)}`).toMatchObject({ code, field });
    }
  });
});
