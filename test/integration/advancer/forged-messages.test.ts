import { connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { PeerMessages } from '../../../advancer/mac/peer-messages.ts';
import type { QuestionBody } from '../../../advancer/mac/statements.ts';
import { secretsKey } from '../../../coordinator/keys.ts';
import { newSecret, readSecrets, type NamespaceSecret } from '../../../coordinator/secrets.ts';
import type { Json } from '../../../src/json.ts';
import type { ReplicaProcess } from '../../harness/replica-process.ts';
import { httpCell, runbookOf, Scene } from '../../harness/scene.ts';
import { realStore, until } from '../coordinator/store-fixture.ts';

/*
 * Attacks by a client that the bus lets in, and that can reach neither etcd nor Postgres. Where an
 * attack needs something genuine, it is made here with the namespace's secret, as a recording of
 * replicas would have it.
 */

const HOLD = runbookOf('hold', [httpCell('charge')]);
/** How long an attack goes on: a take-over takes a tenth of that. */
const ATTACK_MS = 3_000;
/** What makes another replica believe that the attempt never began. */
const NEVER_BEGAN = { runs: false, began: false };

let scene: Scene;
let attacker: NatsConnection;

beforeAll(async () => {
  scene = await Scene.start({ replicas: 3, ttlS: 5 }, [HOLD]);
});
afterAll(() => scene?.stop());
beforeEach(async () => {
  attacker = await connect({ servers: [...scene.cluster.servers.natsUrls] });
});
afterEach(() => attacker?.close());

/** A replica's voice, for what an attacker can have recorded. */
function voice(
  replicaId: string,
  secrets: readonly NamespaceSecret[],
  namespace = scene.cluster.namespace,
): PeerMessages {
  return new PeerMessages({
    namespace,
    leases: { replicaId, secrets: () => secrets, registered: () => [] },
    unauthenticated: { note: () => undefined },
    onUnknownSender: () => undefined,
  });
}

async function secretsOfNamespace(): Promise<readonly NamespaceSecret[]> {
  const { entries } = await realStore().read([secretsKey(scene.cluster.namespace)]);
  const read = readSecrets(entries[0]?.value ?? '');
  if (!read.ok) throw new Error(read.why);
  return read.secrets;
}

function publish(name: string, body: unknown): void {
  attacker.publish(scene.cluster.subject(name), JSON.stringify(body));
}

/** An instance with its effect under way, and its holder. */
async function running(): Promise<{
  instanceId: string;
  holder: ReplicaProcess;
  release: () => void;
  answer: Promise<{ outcome: string }>;
}> {
  const instanceId = await scene.instance('hold');
  const holder = scene.cluster.byId((await scene.touch(instanceId)).holder?.replicaId);
  const release = scene.witness.holdBack(instanceId, 'charge');
  const answer = scene.cluster.advance(instanceId, `${instanceId}-q`);
  await scene.witness.arrived(instanceId, 'charge', 1);
  return { instanceId, holder, release, answer };
}

/** Answers each question to a replica on its behalf, before and after it can itself. */
function answerFor(holder: ReplicaProcess, forge: (question: Record<string, Json>) => unknown[]) {
  attacker.subscribe(scene.cluster.subject('replica', holder.replicaId), {
    callback: (_, message) => {
      const question = message.json<Record<string, Json>>();
      for (const answer of forge(question))
        message.respond(typeof answer === 'string' ? answer : JSON.stringify(answer));
    },
  });
}

/** Repeats something, and requests that make the others look after the instance. */
async function attack(instanceId: string, step: (nth: number) => void): Promise<void> {
  const endMs = performance.now() + ATTACK_MS;
  for (let nth = 0; performance.now() < endMs; nth += 1) {
    step(nth);
    const body = { requestId: `${instanceId}-a${nth}`, agentId: 'attacker' };
    publish(`advance.${instanceId}`, body);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The effect ran once, in its one attempt, whatever was said meanwhile. */
async function ranOnce({ instanceId, release, answer }: Awaited<ReturnType<typeof running>>) {
  expect(await scene.story(instanceId)).toEqual(['started charge 1']);
  expect(await scene.lateOutcomes(instanceId)).toEqual([]);
  release();
  expect((await answer).outcome).toBe('completed');
  expect(await scene.story(instanceId)).toEqual(['started charge 1', 'completed charge 1']);
  expect(scene.witness.effects(instanceId)).toHaveLength(1);
}

async function unauthenticated(replica: ReplicaProcess): Promise<Map<string, number>> {
  const text = await (await fetch(`${replica.httpUrl}/metrics`)).text();
  const lines = text.matchAll(
    /^leasehold_unauthenticated_messages_total\{kind="(\w+)",reason="(\w+)"\} (\d+)$/gm,
  );
  return new Map([...lines].map(([, kind, reason, count]) => [`${kind} ${reason}`, Number(count)]));
}

describe('a hold effect is not run twice by a client that', () => {
  it('says that its live holder is leaving, and answers for it that it never began', async () => {
    const attacked = await running();
    const { holder, instanceId } = attacked;
    answerFor(holder, () => [NEVER_BEGAN]);
    await attack(instanceId, () => publish('leaving', { replicaId: holder.replicaId, busy: [] }));
    await ranOnce(attacked);
    for (const replica of scene.cluster.replicas)
      expect((await unauthenticated(replica)).get('leaving missing')).toBeGreaterThan(10);
  });

  it('answers for the holder that a replica has taken the lease from: with something plain, with what it recorded, with a genuine answer about another attempt under the same nonce, and under the secret of another namespace', async () => {
    const attacked = await running();
    const { holder, instanceId } = attacked;
    const secrets = await secretsOfNamespace();
    const [own] = secrets;
    const other = newSecret();
    const recorded: Json[] = [];
    const asked = new Set<unknown>();
    answerFor(holder, (question) => {
      asked.add(question['ask']);
      const { from, nonce, count } = question as { from: string; nonce: string; count: number };
      const { instanceId: of, cellId, attempt, fencingToken } = question;
      const body = { ask: 'runs', instanceId: of, cellId, attempt, fencingToken } as QuestionBody;
      const about = (more: object) => ({
        namespace: scene.cluster.namespace,
        from,
        to: holder.replicaId,
        nonce,
        count,
        body: { ...body, ...more },
      });
      const genuine = voice(holder.replicaId, secrets);
      const elsewhere = [{ attempt: 2 }, { cellId: 'other' }, { instanceId: 'other' }].map((more) =>
        genuine.answer(about(more), NEVER_BEGAN),
      );
      const foreign = [[other], [{ ...other, id: own!.id }]].map((theirs) =>
        voice(holder.replicaId, theirs).answer(about({}), NEVER_BEGAN),
      );
      const otherNamespace = voice(holder.replicaId, secrets, 'other').answer(
        { ...about({}), namespace: 'other' },
        NEVER_BEGAN,
      );
      const answers = [
        'garbage',
        NEVER_BEGAN,
        ...recorded,
        ...elsewhere,
        ...foreign,
        otherNamespace,
      ];
      // To be sent again, when the next question comes.
      if (question['ask'] === 'runs')
        recorded.push(genuine.answer({ ...about({}), nonce: `${nonce}x` }, NEVER_BEGAN) ?? null);
      return answers;
    });
    // A take-over from a live holder, however it came about.
    const leaving = voice(holder.replicaId, secrets);
    await attack(instanceId, () => {
      const note = { note: 'leaving', busy: [] } as const;
      // Above whatever the holder has counted to.
      for (let skipped = 0; skipped < 1_000; skipped += 1) leaving.note({ ...note, busy: ['x'] });
      publish('leaving', { replicaId: holder.replicaId, busy: [], ...leaving.note(note) });
    });
    expect(asked).toContain('runs');
    // The lease is another's, so the holder's own outcome is late, and counts.
    expect(await scene.story(instanceId)).toEqual(['started charge 1']);
    attacked.release();
    expect((await attacked.answer).outcome).toBe('completed');
    expect(scene.witness.effects(instanceId)).toHaveLength(1);
    expect(await scene.story(instanceId)).not.toContain('interrupted charge 1 not_started');
  });

  it('asks its holder, before the effect begins, whether it runs the attempt, with a huge token', async () => {
    const victim = await scene.victim('after_intent=delay:1500@cell:charge,nth:1');
    const instanceId = await scene.instanceHeldBy(victim, 'hold');
    const answer = scene.cluster.advance(instanceId, `${instanceId}-q`);
    await victim.failpointReached('after_intent');
    const question = { ask: 'runs', instanceId, cellId: 'charge', attempt: 1 };
    const asking = { ...question, fencingToken: Number.MAX_SAFE_INTEGER };
    const foreign = voice('other-00000001', [newSecret()]).ask(
      victim.replicaId,
      asking as QuestionBody,
    );
    const subject = scene.cluster.subject('replica', victim.replicaId);
    for (const body of [asking, foreign?.message]) {
      const reply = attacker.request(subject, JSON.stringify(body), { timeout: 300 });
      await expect(reply).rejects.toThrow('TIMEOUT');
    }
    expect((await answer).outcome).toBe('completed');
    expect(await scene.story(instanceId)).toEqual(['started charge 1', 'completed charge 1']);
    expect(Object.fromEntries(await unauthenticated(victim))).toMatchObject({
      'runs missing': 1,
      'runs unknown_key': 1,
    });
  });
});

describe('the secret of the namespace', () => {
  it('is rotated, and created again when it is gone: each replica believes the one that counts, and no other', async () => {
    const { cluster } = scene;
    /** Which replicas answer a ping that is sealed with these secrets. */
    const believing = async (secrets: readonly NamespaceSecret[]): Promise<number> => {
      const asking = voice('asker-00000001', secrets);
      const answers = cluster.replicas.map(async ({ replicaId }) => {
        const asked = asking.ask(replicaId, { ask: 'ping' })!;
        const subject = cluster.subject('replica', replicaId);
        const body = JSON.stringify(asked.message);
        const reply = await attacker
          .request(subject, body, { timeout: 500 })
          .catch(() => undefined);
        return reply !== undefined && asking.openAnswer(asked.question, reply.json()) !== undefined;
      });
      return (await Promise.all(answers)).filter(Boolean).length;
    };
    const first = await secretsOfNamespace();
    const all = cluster.replicas.length;
    expect(await believing(first)).toBe(all);
    const rotated = await cluster.cli(['secrets', 'rotate', '--json']);
    expect(rotated).toMatchObject({ code: 0 });
    const second = await secretsOfNamespace();
    expect(second.map(({ id }) => id)).not.toEqual(first.map(({ id }) => id));
    await until(async () => (await believing(first)) === 0);
    expect(await believing(second)).toBe(all);

    const store = realStore();
    const key = secretsKey(cluster.namespace);
    const [entry] = (await store.read([key])).entries;
    await store.release([{ key, modRevision: entry!.modRevision }]);
    await until(async () => (await store.read([key])).entries[0] !== undefined);
    const third = await secretsOfNamespace();
    await until(async () => (await believing(third)) === all);
    expect(await believing(second)).toBe(0);
  });
});
