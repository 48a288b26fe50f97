import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { afterEach, describe, expect, it } from 'vitest';

import { Agent } from '../../../../src/agent/agent.ts';
import type { Bus, BusMessage } from '../../../../src/bus/bus.ts';
import { connectBus } from '../../../../src/bus/nats.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import { locateServer } from '../../../../tools/stack/locate.ts';
import { startNats } from '../../../../tools/stack/nats-server.ts';
import { watchMachine } from '../../../harness/busy.ts';
import { closeWorkspace, openWorkspace } from '../../../../tools/stack/workspace.ts';
import { freshNamespace, serversForTests, startPrivateStack } from '../../../harness/servers.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function bus(options: { servers?: string[]; warnings?: string[] } = {}): Promise<Bus> {
  const made = await connectBus({
    servers: options.servers ?? [...serversForTests().natsUrls],
    name: 'test',
    onWarning: (message) => void options.warnings?.push(message),
  });
  closers.push(() => made.close());
  return made;
}

async function rawNats(servers = [...serversForTests().natsUrls]): Promise<NatsConnection> {
  const raw = await connect({ servers });
  closers.push(() => raw.close());
  return raw;
}

/** Resolves when the condition holds; otherwise the test times out. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A separate server that forbids publishing to, or subscribing to, some subjects. */
async function natsThatForbids(publish: string[], subscribe: string[]): Promise<string> {
  const workspace = await openWorkspace();
  closers.push(() => closeWorkspace(workspace));
  const configFile = join(workspace.dir, 'forbids.conf');
  const permissions = { publish: { deny: publish }, subscribe: { deny: subscribe } };
  const users = [{ user: 'anybody', password: 'unasked', permissions }];
  const config = { authorization: { users }, no_auth_user: 'anybody' };
  await writeFile(configFile, JSON.stringify(config).slice(1, -1));
  const server = await startNats(await locateServer('nats'), workspace, { configFile });
  closers.push(() => server.stop());
  return server.url;
}

const text = (message: BusMessage): string => new TextDecoder().decode(message.data);

describe('the bus', () => {
  it('returns the reply to a request', async () => {
    const [asks, answers] = [await bus(), await bus()];
    const subject = `${freshNamespace()}.a`;
    answers.subscribe(subject, (message) =>
      message.reply({ heard: JSON.parse(text(message)) as string }),
    );
    await answers.flush();
    expect(await asks.request(subject, 'hello', 2_000)).toEqual({
      kind: 'reply',
      body: { heard: 'hello' },
    });
  });

  it('reports no_responders at once when nobody is subscribed', async (context) => {
    const machine = await watchMachine();
    const asks = await bus();
    const start = performance.now();
    expect(await asks.request(`${freshNamespace()}.nobody`, {}, 5_000)).toEqual({
      kind: 'no_responders',
    });
    const tookMs = performance.now() - start;
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(1_000);
  });

  it('reports timeout when a subscriber does not reply', async () => {
    const asks = await bus();
    const subject = `${freshNamespace()}.silent`;
    asks.subscribe(subject, () => {});
    expect(await asks.request(subject, {}, 100)).toEqual({ kind: 'timeout' });
  });

  it('reports malformed for a reply that is not JSON or not UTF-8', async () => {
    const [asks, raw] = [await bus(), await rawNats()];
    const subject = `${freshNamespace()}.bad`;
    const answers = ['{"no', new Uint8Array([0xff, 0xfe]), ''];
    raw.subscribe(subject, {
      callback: (_error, message) => void message.respond(answers.shift()),
    });
    await raw.flush();
    for (let i = 0; i < 3; i++)
      expect((await asks.request(subject, {}, 2_000)).kind).toBe('malformed');
    expect(answers).toEqual([]);
  });

  it('reports disconnected at once when it may not publish the request or subscribe to replies', async () => {
    const servers = [await natsThatForbids(['forbidden.>'], ['_INBOX.>'])];
    const warnings: string[] = [];
    const asks = await bus({ servers, warnings });
    expect(await asks.request('forbidden.x', {}, 60_000)).toEqual({ kind: 'disconnected' });
    expect(await asks.request('allowed.x', {}, 60_000)).toEqual({ kind: 'disconnected' });
    expect(warnings.join()).toMatch(/PERMISSIONS_VIOLATION/i);
  });

  it('still sends requests after one that was forbidden', async () => {
    const servers = [await natsThatForbids(['forbidden.>'], [])];
    const [asks, answers] = [await bus({ servers }), await bus({ servers })];
    answers.subscribe('allowed.x', (message) => message.reply('heard'));
    await answers.flush();
    const [refused, heard] = await Promise.all([
      asks.request('forbidden.x', {}, 60_000),
      asks.request('allowed.x', {}, 60_000),
    ]);
    expect([refused, heard]).toEqual([{ kind: 'disconnected' }, { kind: 'reply', body: 'heard' }]);
  });

  it('still delivers after handlers that throw or reject, and reports both', async () => {
    const warnings: string[] = [];
    const [listens, speaks] = [await bus({ warnings }), await bus()];
    const root = freshNamespace();
    const heard: string[] = [];
    listens.subscribe(`${root}.sync`, () => {
      throw new Error('boom');
    });
    listens.subscribe(`${root}.async`, async () => {
      await Promise.resolve();
      throw new Error('bang');
    });
    listens.subscribe(`${root}.fine`, (message) => void heard.push(text(message)));
    await listens.flush();
    speaks.publish(`${root}.sync`, 1);
    speaks.publish(`${root}.async`, 2);
    speaks.publish(`${root}.fine`, 3);
    await until(() => heard.length === 1 && warnings.length === 2);
    expect(warnings.some((line) => line.includes('boom'))).toBe(true);
    expect(warnings.some((line) => line.includes('bang'))).toBe(true);
  });

  it('delivers in the order of publishing', async () => {
    const [listens, speaks] = [await bus(), await bus()];
    const subject = `${freshNamespace()}.ordered`;
    const heard: number[] = [];
    listens.subscribe(subject, (message) => void heard.push(Number(text(message))));
    await listens.flush();
    for (let i = 0; i < 5_000; i++) speaks.publish(subject, i);
    await until(() => heard.length === 5_000);
    expect(heard).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it('delivers a queue-group message to one member and a broadcast to all', async () => {
    const [one, two, speaks] = [await bus(), await bus(), await bus()];
    const root = freshNamespace();
    const queued: string[] = [];
    const broadcast: string[] = [];
    for (const [name, member] of [['one', one] as const, ['two', two] as const]) {
      member.subscribe(`${root}.q`, () => void queued.push(name), { queue: 'g' });
      member.subscribe(`${root}.b`, () => void broadcast.push(name));
      await member.flush();
    }
    for (let i = 0; i < 100; i++) speaks.publish(`${root}.q`, i);
    speaks.publish(`${root}.b`, 0);
    await until(() => queued.length >= 100 && broadcast.length >= 2);
    await one.flush();
    await two.flush();
    expect(queued).toHaveLength(100);
    expect(broadcast.sort()).toEqual(['one', 'two']);
  });

  it('sends a short error instead of a reply that exceeds the limit of the server', async () => {
    const warnings: string[] = [];
    const [answers, asks] = [await bus({ warnings }), await bus()];
    const subject = `${freshNamespace()}.large`;
    answers.subscribe(subject, (message) => message.reply('x'.repeat(2_000_000)));
    await answers.flush();
    const reply = await asks.request(subject, {}, 2_000);
    expect(reply).toMatchObject({ kind: 'reply', body: { error: { code: 'unavailable' } } });
    expect(warnings).toHaveLength(1);
  });

  it('drops a publish that is too large, refuses such a request, and survives both', async () => {
    const warnings: string[] = [];
    const one = await bus({ warnings });
    const subject = `${freshNamespace()}.s`;
    one.subscribe(subject, (message) => message.reply(1));
    one.publish(subject, 'x'.repeat(2_000_000));
    expect(warnings).toHaveLength(1);
    await expect(one.request(subject, 'x'.repeat(2_000_000), 1_000)).rejects.toThrow(RangeError);
    expect(await one.request(subject, {}, 1_000)).toEqual({ kind: 'reply', body: 1 });
  });

  it('delivers what was published before close, and may be closed twice', async () => {
    const [listens, speaks] = [await bus(), await bus()];
    const subject = `${freshNamespace()}.last`;
    const heard: string[] = [];
    listens.subscribe(subject, (message) => void heard.push(text(message)));
    await listens.flush();
    for (let i = 0; i < 1_000; i++) speaks.publish(subject, i);
    await speaks.close();
    await speaks.close();
    await until(() => heard.length === 1_000);
    expect(speaks.connected()).toBe(false);
    expect(await speaks.request(subject, {}, 1_000)).toEqual({ kind: 'disconnected' });
    speaks.publish(subject, 'dropped');
    await speaks.flush();
  });

  it('fails soon with a clear message when no server is there, or waits for one until its signal aborts', async () => {
    const servers = ['nats://127.0.0.1:1'];
    await expect(connectBus({ servers, name: 'test' })).rejects.toThrow(
      /127\.0\.0\.1:1 .*is nats-server running/,
    );
    const stop = new AbortController();
    const warned = new Promise<void>((resolve) => {
      const waiting = connectBus({
        servers,
        name: 'test',
        waitOnFirstConnect: true,
        signal: stop.signal,
        onWarning: () => resolve(),
      });
      waiting.catch(() => {});
      closers.push(() => expect(waiting).rejects.toThrow(/cannot connect/));
    });
    await warned;
    stop.abort();
  });
});

describe('a server that goes away', () => {
  it('is reconnected to: subscriptions return, and requests made meanwhile end at once', async () => {
    const stack = await startPrivateStack({
      given: { etcdUrls: [], postgresUrl: 'postgres://unused' },
    });
    closers.push(() => stack.stop());
    const servers = [...stack.natsUrls];
    const warnings: string[] = [];
    const [answers, asks] = [await bus({ servers }), await bus({ servers, warnings })];
    const subject = 'restart.a';
    answers.subscribe(subject, (message) => message.reply('here'), { queue: 'g' });
    answers.subscribe('restart.silent', () => {});
    await answers.flush();
    expect(await asks.request(subject, {}, 2_000)).toEqual({ kind: 'reply', body: 'here' });

    const underWay = asks.request('restart.silent', {}, 60_000);
    await asks.flush();
    stack.server('nats').kill();
    expect(await underWay).toEqual({ kind: 'disconnected' });
    await until(() => !asks.connected());
    expect(await asks.request(subject, {}, 60_000)).toEqual({ kind: 'disconnected' });
    asks.publish(subject, 'is lost');
    await asks.flush();

    await stack.server('nats').restart();
    await until(() => asks.connected() && answers.connected());
    await answers.flush();
    expect(await asks.request(subject, {}, 2_000)).toEqual({ kind: 'reply', body: 'here' });
    expect(warnings).toEqual(['lost the connection to NATS; reconnecting', 'reconnected to NATS']);
  });

  it('is detected when it is only frozen', async (context) => {
    const machine = await watchMachine();
    const stack = await startPrivateStack({
      given: { etcdUrls: [], postgresUrl: 'postgres://unused' },
    });
    closers.push(() => stack.stop());
    let onLost: (message: string) => void = () => undefined;
    const one = await connectBus({
      servers: [...stack.natsUrls],
      name: 'test',
      pingIntervalMs: 100,
      onWarning: (message) => onLost(message),
    });
    closers.push(() => one.close());
    const lost = new Promise<string>((resolve) => (onLost = resolve));
    process.kill(stack.server('nats').pid, 'SIGSTOP');
    const start = performance.now();
    expect(await lost).toBe('lost the connection to NATS; reconnecting');
    const tookMs = performance.now() - start;
    process.kill(stack.server('nats').pid, 'SIGCONT');
    await until(() => one.connected());
    expect(await one.request('nobody.here', {}, 2_000)).toEqual({ kind: 'no_responders' });
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(2_000);
  });
});

describe('an agent', () => {
  const receipt = (requestId: string, more: object = {}) => ({
    requestId,
    instanceId: 'i-1',
    outcome: 'completed',
    steps: [{ seq: 1, cellId: 'charge', kind: 'started', attempt: 1 }],
    nextCellId: null,
    holder: { replicaId: 'r-1', fencingToken: 7 },
    ...more,
  });
  const body = (message: BusMessage) =>
    JSON.parse(text(message)) as { requestId: string; expiresAt: string };

  async function agentWith(
    answer: (replica: Bus, names: ReturnType<typeof subjects>) => void,
  ): Promise<Agent> {
    const namespace = freshNamespace();
    const replica = await bus();
    answer(replica, subjects(namespace));
    await replica.flush();
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
    });
    closers.push(() => agent.close());
    return agent;
  }

  it('takes the first of several replies', async () => {
    const sent: string[] = [];
    const agent = await agentWith((replica, names) => {
      for (const outcome of ['completed', 'unavailable']) {
        replica.subscribe(names.all('advance'), (message) => {
          sent.push(outcome);
          message.reply(receipt(body(message).requestId, { outcome }));
        });
      }
    });
    const answer = await agent.advance('i-1', { requestId: 'q-1' });
    // One connection keeps the order of the two replies; the server serves the subscriptions in any
    // order.
    expect(answer).toEqual(receipt('q-1', { outcome: sent[0] ?? '' }));
    await until(() => sent.length === 2);
  });

  it('sends the same latest start time each time it repeats a request', async () => {
    const seen: string[] = [];
    const agent = await agentWith((replica, names) => {
      replica.subscribe(names.all('advance'), (message) => {
        seen.push(`${body(message).requestId} ${body(message).expiresAt}`);
        if (seen.length === 3) message.reply(receipt('q-1'));
      });
    });
    await agent.advance('i-1', { requestId: 'q-1', askAgainMs: 50, pollMs: 10_000 });
    expect(seen).toHaveLength(3);
    expect(new Set(seen).size).toBe(1);
  });

  it('finds the recorded receipt when the reply was lost', async () => {
    let asked = 0;
    const agent = await agentWith((replica, names) => {
      replica.subscribe(names.all('advance'), () => void (asked += 1));
      replica.subscribe(names.all('status'), (message) => {
        message.reply({
          instanceId: 'i-1',
          runbookId: 'r',
          version: 1,
          status: 'completed',
          nextCellId: null,
          holder: null,
          lastSeq: 2,
          cells: [],
          receipt: receipt(body(message).requestId),
        });
      });
    });
    expect(await agent.advance('i-1', { requestId: 'q-1', pollMs: 50 })).toEqual(receipt('q-1'));
    expect(asked).toBe(1);
  });

  it('repeats the request until a replica appears', async () => {
    const namespace = freshNamespace();
    const replica = await bus();
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
    });
    closers.push(() => agent.close());
    const waiting = agent.advance('i-1', { requestId: 'q-1' });
    expect(await replica.request(subjects(namespace).advance('i-1'), {}, 500)).toEqual({
      kind: 'no_responders',
    });
    replica.subscribe(subjects(namespace).all('advance'), (message) =>
      message.reply(receipt('q-1')),
    );
    expect((await waiting).outcome).toBe('completed');
  });

  it('returns an unavailable receipt when nobody answers before the request expires', async () => {
    const agent = await agentWith(() => {});
    const answer = await agent.advance('i-1', { requestId: 'q-1', expiresInMs: 300 });
    expect(answer).toMatchObject({
      outcome: 'unavailable',
      requestId: 'q-1',
      steps: [],
      instanceId: 'i-1',
    });
    expect(answer.error?.message).toContain('no replica is listening');
  });

  it.each([
    ['no JSON', '{"no'],
    ['no receipt', '{"outcome":"wonderful"}'],
    ['a list', '[]'],
  ])('brings an unavailable receipt for an answer that is %s', async (_what, answer) => {
    const raw = await rawNats();
    const agent = await agentWith((_replica, names) => {
      raw.subscribe(names.all('advance'), {
        callback: (_error, message) => void message.respond(answer),
      });
    });
    await raw.flush();
    expect((await agent.advance('i-1')).outcome).toBe('unavailable');
  });

  it('turns an error reply into a receipt, and keeps fields that it does not know', async () => {
    const agent = await agentWith((replica, names) => {
      replica.subscribe(names.advance('bad'), (message) =>
        message.reply({ error: { code: 'invalid', message: 'no', field: 'cellId' } }),
      );
      replica.subscribe(names.advance('new'), (message) =>
        message.reply(receipt(body(message).requestId, { later: { field: 1 } })),
      );
    });
    expect(await agent.advance('bad')).toMatchObject({
      outcome: 'invalid',
      error: { field: 'cellId' },
    });
    expect(await agent.advance('new')).toMatchObject({ outcome: 'completed', later: { field: 1 } });
  });

  it('throws the error in a reply, and unavailable when there is no reply', async () => {
    const agent = await agentWith((replica, names) => {
      replica.subscribe(names.start, (message) =>
        message.reply({ error: { code: 'conflict', message: 'other' } }),
      );
      replica.subscribe(names.all('decide'), () => {});
    });
    await expect(agent.start('i-1', { runbookId: 'r' })).rejects.toMatchObject({
      code: 'conflict',
    });
    const decision = { cellId: 'c', attempt: 1, as: 'rerun', reason: 'x', timeoutMs: 100 } as const;
    await expect(agent.decide('i-1', decision)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('receives events in order, and ignores malformed ones', async () => {
    const namespace = freshNamespace();
    const replica = await bus();
    const warnings: string[] = [];
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
      onWarning: (message) => void warnings.push(message),
    });
    closers.push(() => agent.close());
    const stop = new AbortController();
    const events = agent.events(undefined, { signal: stop.signal });
    await agent.flush();
    const names = subjects(namespace);
    const event = (instanceId: string) => ({ instanceId, rows: [], status: 'ready' });
    replica.publish(names.event('a'), event('a'));
    replica.publish(names.event('a'), { wrong: true });
    replica.publish(names.event('b'), event('b'));
    expect((await events.next()).value).toEqual(event('a'));
    expect((await events.next()).value).toEqual(event('b'));
    expect(warnings).toHaveLength(1);
    stop.abort();
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('puts no malformed id into a subject', async () => {
    const agent = await agentWith(() => {});
    for (const id of ['', '*', '>', 'a b', 'a\r\nPUB x 0', 'a.b', 'x'.repeat(129)]) {
      expect(await agent.advance(id)).toMatchObject({
        outcome: 'invalid',
        error: { field: 'instanceId' },
      });
      await expect(agent.status(id)).rejects.toMatchObject({
        code: 'invalid',
        field: 'instanceId',
      });
    }
  });

  it('survives a restart of the server in the middle of an advance', async () => {
    const stack = await startPrivateStack({
      given: { etcdUrls: [], postgresUrl: 'postgres://unused' },
    });
    closers.push(() => stack.stop());
    const servers = [...stack.natsUrls];
    const replica = await bus({ servers });
    const agent = await Agent.connect({ agentId: 'tester', servers });
    closers.push(() => agent.close());
    const asked: string[] = [];
    replica.subscribe(subjects('default').all('advance'), (message) => {
      asked.push(body(message).requestId);
      if (asked.length > 1) message.reply(receipt(body(message).requestId));
    });
    await replica.flush();
    const waiting = agent.advance('i-1', { requestId: 'q-1' });
    await until(() => asked.length === 1);
    stack.server('nats').kill();
    await stack.server('nats').restart();
    expect((await waiting).outcome).toBe('completed');
    expect(new Set(asked)).toEqual(new Set(['q-1']));
  });

  it('treats a server that accepts and stays silent as absent', async (context) => {
    const machine = await watchMachine();
    const sockets: Socket[] = [];
    const mute = createServer((socket) => sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => mute.close(() => resolve()));
    });
    const { port } = mute.address() as { port: number };
    const servers = [`nats://127.0.0.1:${port}`];
    const start = performance.now();
    await expect(
      Agent.connect({ agentId: 'tester', servers, connectTimeoutMs: 200 }),
    ).rejects.toMatchObject({
      code: 'unavailable',
    });
    const tookMs = performance.now() - start;
    expect(sockets).toHaveLength(1);
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(5_000);
  });
});
