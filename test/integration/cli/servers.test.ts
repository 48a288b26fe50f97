import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { shippedFunctions, sqlFunction } from '../../../advancer/log/function-files.ts';
import { migrate } from '../../../advancer/log/migrate.ts';
import { etcdStore } from '../../../coordinator/etcd/store.ts';
import {
  leaseKey,
  leaseValue,
  replicaKey,
  replicaValue,
  secretsKey,
} from '../../../coordinator/keys.ts';
import { newSecret, secretsValue } from '../../../coordinator/secrets.ts';
import { run } from '../../../cli/program.ts';
import type { Json } from '../../../src/json.ts';
import { TestTerminal } from '../../harness/test-terminal.ts';
import { freshDatabase, freshNamespace, serversForTests } from '../../harness/servers.ts';

const namespace = freshNamespace();
let database: string;
let dir: string;

beforeAll(async () => {
  database = await freshDatabase();
  dir = await mkdtemp(join(tmpdir(), 'leasehold-cli-'));
});

afterAll(() => rm(dir, { recursive: true }));

/** Runs a command line and reads its JSON lines. */
async function cli(
  line: string[],
): Promise<{ code: number; replies: Json[]; out: string; err: string }> {
  const terminal = new TestTerminal({
    LEASEHOLD_NAMESPACE: namespace,
    LEASEHOLD_OWNER_DATABASE_URL: database,
    LEASEHOLD_DATABASE_URL: database,
    LEASEHOLD_ETCD_URLS: serversForTests().etcdUrls.join(),
  });
  const code = await run(line, terminal);
  const replies = line.includes('--json')
    ? terminal.outLines.map((text) => JSON.parse(text) as Json)
    : [];
  return { code, replies, out: terminal.outText, err: terminal.errText };
}

describe('the command line against Postgres', () => {
  it('migrates, a second time without effect, and rebuilds the projection', async () => {
    const first = await cli(['migrate', '--json']);
    expect(first).toMatchObject({ code: 0, replies: [{ namespace }] });
    const again = await cli(['migrate', '--json', '--rebuild-projection']);
    expect(again).toMatchObject({ code: 0, replies: [{ applied: [], namespace, rebuilt: 0 }] });
    expect((await cli(['migrate'])).out).toContain('(unchanged)');
  });

  it('reports which migrations and functions it applied', async () => {
    const fresh = await freshDatabase();
    const { out } = await cli(['migrate', '--owner-database', fresh]);
    expect(out).toMatch(/^applied 0001_tables$/m);
    expect(out).toMatch(/^applied function guard_executions$/m);
    expect(out).toMatch(/ is at version \d+$/m);
  });

  it('keeps functions of which the database has a later text, and reports it', async () => {
    const fresh = await freshDatabase();
    const functions = shippedFunctions().map((one) =>
      one.name === 'put_lines' ? sqlFunction(one.name, `${one.sql}-- Later.\n`) : one,
    );
    await migrate({ url: fresh, namespace });
    await migrate({ url: fresh, namespace, functions });
    const { out } = await cli(['migrate', '--owner-database', fresh]);
    expect(out).toMatch(/^kept function put_lines: the database has a newer version of it$/m);
    expect(out).toContain('(unchanged)');
  });

  it('refuses a database of another namespace', async () => {
    const { code, err, replies } = await cli(['migrate', '--namespace', 'other', '--json']);
    expect(code).toBe(1);
    expect(replies).toMatchObject([{ error: { code: 'failure' } }]);
    expect(err).toContain(`belongs to namespace "${namespace}"`);
  });

  it('pushes, lists and shows runbooks, and refuses other content under the same version', async () => {
    const file = join(dir, 'hello.yaml');
    const text = (prose: string): string =>
      `runbook: hello\nversion: 1\ncells:\n  - {id: say, prose: ${prose}}\n`;
    await writeFile(file, text('hello'));
    expect(await cli(['runbook', 'push', file, '--json'])).toMatchObject({
      code: 0,
      replies: [{ runbookId: 'hello', version: 1, result: 'created' }],
    });
    expect(await cli(['runbook', 'push', file, '--json'])).toMatchObject({
      replies: [{ result: 'exists' }],
    });
    expect(await cli(['runbook', 'list', '--json'])).toMatchObject({
      code: 0,
      replies: [{ runbookId: 'hello', version: 1 }],
    });
    const shown = await cli(['runbook', 'show', 'hello', '--json']);
    expect(shown).toMatchObject({
      code: 0,
      replies: [{ runbook: 'hello', cells: [{ id: 'say' }] }],
    });
    await writeFile(file, text('other'));
    const other = await cli(['runbook', 'push', file]);
    expect(other.code).toBe(3);
    expect(other.out).toMatch(/-    prose: hello\n\+    prose: other\n/);
    expect(other.out).toContain('write version: 2 in the file and push it again');
    expect((await cli(['runbook', 'show', 'nobody', '--json'])).code).toBe(3);
  });

  it('pushes nothing when one of the files is not valid', async () => {
    const [good, bad] = [join(dir, 'good.yaml'), join(dir, 'bad.yaml')];
    await writeFile(good, 'runbook: good\nversion: 1\ncells:\n  - {id: say, prose: hello}\n');
    await writeFile(bad, 'runbook: bad\nversion: 1\ncells:\n  - {id: say, porse: hello}\n');
    const { code, err } = await cli(['runbook', 'push', good, bad]);
    expect(code).toBe(2);
    expect(err).toMatch(/bad\.yaml:4 .*porse/);
    expect((await cli(['runbook', 'show', 'good'])).code).toBe(3);
  });

  it('lists nothing when there is no instance', async () => {
    expect(await cli(['list', '--json', '--status', 'ready', '--runbook', 'hello'])).toMatchObject({
      code: 0,
      replies: [],
    });
    expect((await cli(['list'])).out).toBe('no instances found');
  });
});

describe('the command line against etcd', () => {
  it('shows which replica holds which instance, and which replicas are live', async () => {
    expect((await cli(['leases'])).out).toContain('no leases in namespace');
    expect((await cli(['replicas'])).out).toContain('no replicas in namespace');
    const store = etcdStore({ hosts: [...serversForTests().etcdUrls] });
    try {
      const { leaseId } = await store.grant(60);
      const replica = {
        replicaId: 'blue-01234567',
        name: 'blue',
        pid: 42,
        httpUrl: 'http://127.0.0.1:1',
      };
      await store.put(
        leaseId,
        replicaKey(namespace, replica.replicaId),
        replicaValue(replica, false),
      );
      const key = leaseKey(namespace, 'refund-7');
      const { revision } = await store.acquire(leaseId, [
        { key, value: leaseValue(replica.replicaId) },
      ]);
      expect((await cli(['leases', '--json'])).replies).toEqual([
        { instanceId: 'refund-7', replicaId: replica.replicaId, token: revision },
      ]);
      expect((await cli(['replicas', '--json'])).replies).toEqual([
        { ...replica, draining: false, holdings: 1 },
      ]);
      expect((await cli(['replicas'])).out).toMatch(
        /blue-01234567\s+42\s+http:\/\/127\.0\.0\.1:1\s+serving\s+1/,
      );
      await store.revoke(leaseId);
    } finally {
      store.close();
    }
  });

  it("shows and rotates the namespace's secret, and prints it nowhere", async () => {
    const none = await cli(['secrets', 'show']);
    expect([none.code, none.err]).toEqual([3, expect.stringContaining('leasehold advancer')]);
    const store = etcdStore({ hosts: [...serversForTests().etcdUrls] });
    try {
      const first = newSecret();
      await store.replace(secretsKey(namespace), secretsValue([first]), 0);
      const { leaseId } = await store.grant(60);
      const self = { replicaId: 'red-01234567', name: 'red', pid: 42, httpUrl: '', mac: 1 };
      const says = (secretIds: string[]): Promise<void> =>
        store.put(
          leaseId,
          replicaKey(namespace, self.replicaId),
          replicaValue({ ...self, secretIds }, false),
        );
      await says([first.id]);
      expect((await cli(['secrets', 'show', '--json'])).replies).toEqual([
        { id: first.id, replicas: [self.replicaId] },
      ]);
      const waiting = await cli(['secrets', 'rotate', '--timeout', '300ms']);
      expect(waiting.code).toBe(5);
      expect(waiting.err).toContain(self.replicaId);
      const shown = await cli(['secrets', 'show', '--json']);
      const [, second] = shown.replies as { id: string; replicas: string[] }[];
      expect(second?.replicas).toEqual([]);
      await says([first.id, second!.id]);
      expect(await cli(['secrets', 'rotate', '--json'])).toMatchObject({
        code: 0,
        replies: [{ id: second?.id, removed: [first.id] }],
      });
      const { entries } = await store.read([secretsKey(namespace)]);
      const { secret } = (JSON.parse(entries[0]?.value ?? '') as { secrets: { secret: string }[] })
        .secrets[0]!;
      const table = await cli(['secrets', 'show']);
      expect(table.out).toMatch(new RegExp(`${second?.id}\\s+1 of 1`));
      expect(table.out + shown.out).not.toContain(secret);
      await store.revoke(leaseId);
    } finally {
      store.close();
    }
  });
});
