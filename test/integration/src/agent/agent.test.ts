import { createServer } from 'node:net';
import type { Socket } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { Agent } from '../../../../src/agent/agent.ts';
import type { Bus, BusMessage } from '../../../../src/bus/bus.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import { watchMachine } from '../../../harness/busy.ts';
import { freshNamespace, serversForTests, startPrivateStack } from '../../../harness/servers.ts';
import { openBus, rawNats, text, until } from '../nats-fixture.ts';

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
    const replica = await openBus();
    answer(replica, subjects(namespace));
    await replica.flush();
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
    });
    onTestFinished(() => agent.close());
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
    let requests = 0;
    const agent = await agentWith((replica, names) => {
      replica.subscribe(names.all('advance'), () => void (requests += 1));
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
    expect(requests).toBe(1);
  });

  it('repeats the request until a replica appears', async () => {
    const namespace = freshNamespace();
    const replica = await openBus();
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
    });
    onTestFinished(() => agent.close());
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
  ])('returns an unavailable receipt for an answer that is %s', async (_what, answer) => {
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
        message.reply(receipt(body(message).requestId, { instanceId: 'new', later: { field: 1 } })),
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
    const replica = await openBus();
    const warnings: string[] = [];
    const agent = await Agent.connect({
      agentId: 'tester',
      namespace,
      servers: [...serversForTests().natsUrls],
      onWarning: (message) => void warnings.push(message),
    });
    onTestFinished(() => agent.close());
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

  it('never puts a malformed id into a subject', async () => {
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
    onTestFinished(() => stack.stop());
    const servers = [...stack.natsUrls];
    const replica = await openBus({ servers });
    const agent = await Agent.connect({ agentId: 'tester', servers });
    onTestFinished(() => agent.close());
    const received: string[] = [];
    replica.subscribe(subjects('default').all('advance'), (message) => {
      received.push(body(message).requestId);
      if (received.length > 1) message.reply(receipt(body(message).requestId));
    });
    await replica.flush();
    const waiting = agent.advance('i-1', { requestId: 'q-1' });
    await until(() => received.length === 1);
    stack.server('nats').kill();
    await stack.server('nats').restart();
    expect((await waiting).outcome).toBe('completed');
    expect(new Set(received)).toEqual(new Set(['q-1']));
  });

  it('treats a server that accepts and stays silent as absent', async (context) => {
    const machine = await watchMachine();
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => silent.close(() => resolve()));
    });
    const { port } = silent.address() as { port: number };
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
