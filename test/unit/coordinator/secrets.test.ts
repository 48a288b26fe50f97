import { describe, expect, it } from 'vitest';

import { replicaKey, secretsKey } from '../../../coordinator/keys.ts';
import {
  newSecret,
  readSecrets,
  secretsValue,
  signingSecret,
  type NamespaceSecret,
} from '../../../coordinator/secrets.ts';
import { StoreUnavailable } from '../../../coordinator/store.ts';
import type { Logger } from '../../../src/logger.ts';
import { NAMESPACE, world } from './world.ts';

const KEY = secretsKey(NAMESPACE);
const cut = (): Promise<never> => Promise.reject(new StoreUnavailable('cut'));

function idsOf(replica: { coordinator: { secrets(): readonly NamespaceSecret[] } }): string[] {
  return replica.coordinator.secrets().map(({ id }) => id);
}

describe('the value of the secrets key', () => {
  it('comes back as it was written, oldest first, and no log shows a secret', () => {
    const secrets = [newSecret(), newSecret()];
    const read = readSecrets(secretsValue(secrets));
    if (!read.ok) throw new Error(read.why);
    expect(read.secrets.map(({ id }) => id)).toEqual(secrets.map(({ id }) => id));
    expect(read.secrets.map(({ key }) => key.export())).toEqual(
      secrets.map(({ key }) => key.export()),
    );
    const bytes = secrets[0]?.key.export().toString('base64url') ?? '';
    expect(secretsValue(secrets)).toContain(bytes);
    expect(JSON.stringify(read)).not.toContain(bytes);
  });

  it.each([
    ['', 'JSON'],
    ['null', 'list'],
    ['{"secrets":[]}', 'list'],
    ['{"secrets":{}}', 'list'],
    [JSON.stringify({ secrets: Array.from({ length: 9 }, () => ({})) }), 'list'],
    ['{"secrets":[null]}', 'id'],
    ['{"secrets":[{"id":"a b","secret":"x"}]}', 'id'],
    ['{"secrets":[{"id":"a","secret":"c2hvcnQ"}]}', 'secret a is not 32 bytes'],
    ['{"secrets":[{"id":"a"}]}', 'secret a is not 32 bytes'],
    [secretsValue([newSecret()]).replace(/^(.*)\[(.*)\]/, '$1[$2,$2]'), 'two secrets'],
  ])('%j is refused, with the reason and without the secret', (value, why) => {
    const read = readSecrets(value);
    expect(read).toMatchObject({ ok: false });
    expect((read as { why: string }).why).toContain(why);
    expect((read as { why: string }).why).not.toContain('c2hvcnQ');
  });
});

describe('the secret to seal with', () => {
  const [old, fresh] = [newSecret(), newSecret()];
  const has = (...secrets: NamespaceSecret[]) => ({
    mac: 1,
    secretIds: secrets.map(({ id }) => id),
  });

  it('is the newest that every registered replica has', () => {
    const own = [old, fresh];
    expect(signingSecret(own, [])).toBe(fresh);
    expect(signingSecret(own, [has(old, fresh), has(old)])).toBe(old);
    expect(signingSecret(own, [has(old, fresh), has(fresh)])).toBe(fresh);
    // One of an older version opens nothing.
    expect(signingSecret(own, [has(fresh), {}])).toBe(fresh);
    expect(signingSecret(own, [has(old), has(fresh)])).toBe(fresh);
    expect(signingSecret([], [has(old)])).toBeUndefined();
  });
});

describe("the namespace's secret", () => {
  it('is created once, by the first of several replicas, and all of them have it', async () => {
    const w = world();
    const replicas = ['a', 'b', 'c'].map((id) => w.replica(id));
    for (const { coordinator } of replicas) void coordinator.start();
    await w.clock.advance(1);
    const [ids] = replicas.map(idsOf);
    expect(ids).toHaveLength(1);
    expect(replicas.map(idsOf)).toEqual([ids, ids, ids]);
    expect(w.etcd.get(KEY)).toMatchObject({ createRevision: 2, modRevision: 2 });
    expect(w.etcd.get(KEY)?.leaseId).toBeUndefined();
  });

  it('is there before a replica registers; without etcd none registers', async () => {
    const w = world();
    const a = w.replica('a');
    a.disturb((call, run) => (call === 'replace' ? cut() : run()));
    void a.coordinator.start();
    await w.clock.advance(1);
    expect(a.coordinator.notLeading()).toContain('cut');
    expect(w.etcd.get(replicaKey(NAMESPACE, 'a'))).toBeUndefined();
    a.disturb(undefined);
    await w.clock.advance(2_000);
    expect(a.coordinator.notLeading()).toBeUndefined();
    expect(idsOf(a)).toHaveLength(1);
  });

  it('is adopted by a replica whose creation was applied, but not answered', async () => {
    const w = world();
    const a = w.replica('a');
    a.disturb(async (call, run) => {
      const answer = await run();
      if (call === 'replace') throw new StoreUnavailable('the answer was lost');
      return answer;
    });
    void a.coordinator.start();
    await w.clock.advance(3_000);
    expect(a.coordinator.notLeading()).toBeUndefined();
    expect(w.etcd.get(KEY)).toMatchObject({ createRevision: 2, modRevision: 2 });
  });

  it('is followed: one that is added is known at once, and the record says so', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const added = [...a.coordinator.secrets(), newSecret()];
    const ids = added.map(({ id }) => id);
    expect(w.etcd.replace(KEY, secretsValue(added), w.etcd.get(KEY)?.modRevision ?? 0)).toBe(true);
    await w.clock.advance(5);
    expect([idsOf(a), idsOf(b)]).toEqual([ids, ids]);
    const said = a.coordinator.registered().map(({ secretIds }) => secretIds);
    expect(said).toEqual([ids, ids]);
    // It is still attached to the session, so it goes with it.
    await Promise.all([a.coordinator.stop(), b.coordinator.stop()]);
    expect(w.ownEntries()).toEqual([]);
  });

  it('keeps a draining replica marked as draining when its record changes', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    await a.coordinator.drain();
    const added = [...a.coordinator.secrets(), newSecret()];
    w.etcd.replace(KEY, secretsValue(added), w.etcd.get(KEY)?.modRevision ?? 0);
    await w.clock.advance(5);
    expect(b.coordinator.replicas().map(({ replicaId }) => replicaId)).toEqual(['b']);
    expect(b.coordinator.registered()).toHaveLength(2);
  });

  it('is created again when it is gone, and one replica creates it for all', async () => {
    const w = world();
    const [a, b] = [await w.leading('a'), await w.leading('b')];
    const [before] = idsOf(a);
    w.etcd.release([{ key: KEY, modRevision: w.etcd.get(KEY)?.modRevision ?? 0 }]);
    await w.clock.advance(5);
    const [after, ...more] = idsOf(a);
    expect(after).toBeDefined();
    expect(after).not.toBe(before);
    expect(more).toEqual([]);
    expect(idsOf(b)).toEqual([after]);
    expect(b.coordinator.registered().map(({ secretIds }) => secretIds)).toEqual([
      [after],
      [after],
    ]);
  });

  it('is created again once etcd answers, if it was silent when the secret went', async () => {
    const w = world();
    const a = await w.leading('a');
    a.disturb((call, run) => (call === 'read' ? cut() : run()));
    w.etcd.release([{ key: KEY, modRevision: w.etcd.get(KEY)?.modRevision ?? 0 }]);
    await w.clock.advance(1_500);
    expect(idsOf(a)).toEqual([]);
    a.disturb(undefined);
    await w.clock.advance(1_500);
    expect(idsOf(a)).toHaveLength(1);
  });

  it('stays in use when its value becomes unreadable; a replica that starts says how to recover', async () => {
    const w = world();
    const errors: string[] = [];
    const silent = (): void => undefined;
    const logger: Logger = {
      debug: silent,
      info: silent,
      warn: silent,
      error: (_, text) => errors.push(text ?? ''),
    };
    const a = await w.leading('a', { logger });
    const before = idsOf(a);
    w.etcd.replace(KEY, '{}', w.etcd.get(KEY)?.modRevision ?? 0);
    await w.clock.advance(5);
    expect(idsOf(a)).toEqual(before);
    expect(errors).toEqual([expect.stringMatching(/\/leasehold\/test\/secrets.*Delete the key/)]);
    const b = w.replica('b');
    void b.coordinator.start();
    await w.clock.advance(1);
    expect(b.coordinator.notLeading()).toMatch(/\/leasehold\/test\/secrets.*Delete the key/);
    w.etcd.release([{ key: KEY, modRevision: w.etcd.get(KEY)?.modRevision ?? 0 }]);
    await w.clock.advance(2_000);
    expect(b.coordinator.notLeading()).toBeUndefined();
    expect(idsOf(b)).toEqual(idsOf(a));
    expect(idsOf(b)).not.toEqual(before);
  });
});
