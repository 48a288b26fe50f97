import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { locateServer } from '../../tools/stack/locate.ts';
import { startNats } from '../../tools/stack/nats-server.ts';
import type { Server } from '../../tools/stack/server-process.ts';
import { closeWorkspace, openWorkspace, type Workspace } from '../../tools/stack/workspace.ts';
import { TestCluster } from '../harness/replicas.ts';
import { freshDatabase, serversForTests } from '../harness/servers.ts';
import { push, two } from './runbooks.ts';

let cluster: TestCluster;
let workspace: Workspace;
let nats: Server;

beforeAll(async () => {
  workspace = await openWorkspace();
  nats = await obedientNats(workspace);
  const { etcdUrls } = serversForTests();
  const servers = { etcdUrls, natsUrls: [nats.url], superuserUrl: await freshDatabase() };
  cluster = await TestCluster.start({ replicas: 1, servers });
  await push(cluster, two);
});

afterAll(async () => {
  await cluster?.stop();
  await nats?.stop();
  await closeWorkspace(workspace);
});

/**
 * A server whose JetStream takes a request with fields that it does not know, as all do before 2.12
 * and all that are configured so.
 */
async function obedientNats(place: Workspace): Promise<Server> {
  const binary = await locateServer('nats');
  const [major = 0, minor = 0] = binary.version.split('.').map(Number);
  if (major === 2 && minor < 12) return startNats(binary, place);
  const configFile = join(place.dir, 'obedient.conf');
  await writeFile(configFile, 'jetstream { strict: false }\n');
  return startNats(binary, place, { configFile });
}

const encoded = (body: object): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

async function refusedReplies(): Promise<number> {
  const [replica] = cluster.replicas;
  const response = await fetch(`${replica?.httpUrl}/metrics`);
  const line = /^leasehold_refused_replies_total (\d+)$/m.exec(await response.text());
  return Number(line?.[1]);
}

/** Publishes a request that wants its reply on this subject, and waits until it was handled. */
async function request(subject: string, reply: string, body: object): Promise<void> {
  cluster.nats.publish(subject, encoded(body), { reply });
  // The replica handles the requests of one connection in order.
  await cluster.status('nobody');
  await cluster.nats.flush();
}

describe('a replica', () => {
  it('does not reply to the administration of JetStream, which would obey it', async () => {
    const stream = `attacked-${cluster.namespace}`;
    const streams = await cluster.nats.jetstreamManager();
    await streams.streams.add({
      name: stream,
      subjects: [`${stream}.>`],
      storage: 'memory' as never,
    });
    await cluster.nats.jetstream().publish(`${stream}.a`, encoded({ precious: true }));
    const before = await refusedReplies();
    const purge = `$JS.API.STREAM.PURGE.${stream}`;
    await request(cluster.subject('status', 'nobody'), purge, {});
    await request(cluster.subject('start'), purge, { nonsense: true });
    await request(cluster.subject('advance', 'nobody'), purge, { requestId: 'q', agentId: 'a' });
    expect((await streams.streams.info(stream)).state.messages).toBe(1);
    await expect.poll(refusedReplies).toBe(before + 3);
    await streams.streams.delete(stream);
  });

  it.each(['leasehold.other.advance.x', '_INBOXES.x', 'inbox.x', '_INBOX'])(
    'does not reply to %s',
    async (reply) => {
      const got: unknown[] = [];
      const subscription = cluster.nats.subscribe(reply, {
        callback: (_error, message) => void got.push(message.string()),
      });
      const before = await refusedReplies();
      await request(cluster.subject('status', 'nobody'), reply, {});
      await expect.poll(refusedReplies).toBe(before + 1);
      expect(got).toEqual([]);
      subscription.unsubscribe();
    },
  );

  it('replies to subjects below _INBOX', async () => {
    const reply = '_INBOX.a.b';
    const got = new Promise<string>((resolve) => {
      cluster.nats.subscribe(reply, {
        max: 1,
        callback: (_error, message) => resolve(message.string()),
      });
    });
    await request(cluster.subject('status', 'nobody'), reply, {});
    expect(JSON.parse(await got)).toMatchObject({ error: { code: 'not_found' } });
  });

  it('says in its log where it did not reply, and how often, but not each time', async () => {
    const [replica] = cluster.replicas;
    const lines = (): string[] =>
      replica?.log.split('\n').filter((line) => line.includes('did not reply to')) ?? [];
    for (let i = 0; i < 50; i += 1)
      cluster.nats.publish(cluster.subject('status', 'nobody'), encoded({}), { reply: '$SYS.x' });
    await cluster.status('nobody');
    expect(lines().length).toBeGreaterThan(0);
    expect(lines().length).toBeLessThan(5);
    expect(lines()[0]).toContain('LEASEHOLD_NATS_REPLY_PREFIXES');
  });
});
