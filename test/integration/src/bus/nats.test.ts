import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { connectBus } from '../../../../src/bus/nats.ts';
import { locateServer } from '../../../../tools/stack/locate.ts';
import { startNats } from '../../../../tools/stack/nats-server.ts';
import { watchMachine } from '../../../harness/busy.ts';
import { closeWorkspace, openWorkspace } from '../../../../tools/stack/workspace.ts';
import { freshNamespace, startPrivateStack } from '../../../harness/servers.ts';
import { openBus, rawNats, text, until } from '../nats-fixture.ts';

/** A separate server that forbids publishing to, or subscribing to, some subjects. */
async function natsThatForbids(publish: string[], subscribe: string[]): Promise<string> {
  const workspace = await openWorkspace();
  onTestFinished(() => closeWorkspace(workspace));
  const configFile = join(workspace.dir, 'forbids.conf');
  const permissions = { publish: { deny: publish }, subscribe: { deny: subscribe } };
  const users = [{ user: 'anyone', password: 'unused', permissions }];
  const config = { authorization: { users }, no_auth_user: 'anyone' };
  await writeFile(configFile, JSON.stringify(config).slice(1, -1));
  const server = await startNats(await locateServer('nats'), workspace, { configFile });
  onTestFinished(() => server.stop());
  return server.url;
}

describe('the bus', () => {
  it('returns the reply to a request', async () => {
    const [requester, responder] = [await openBus(), await openBus()];
    const subject = `${freshNamespace()}.a`;
    responder.subscribe(subject, (message) =>
      message.reply({ received: JSON.parse(text(message)) as string }),
    );
    await responder.flush();
    expect(await requester.request(subject, 'hello', 2_000)).toEqual({
      kind: 'reply',
      body: { received: 'hello' },
    });
  });

  it('reports no_responders at once when nobody is subscribed', async (context) => {
    const machine = await watchMachine();
    const requester = await openBus();
    const start = performance.now();
    expect(await requester.request(`${freshNamespace()}.nobody`, {}, 5_000)).toEqual({
      kind: 'no_responders',
    });
    const tookMs = performance.now() - start;
    machine.skipIfBusy(context);
    expect(tookMs).toBeLessThan(1_000);
  });

  it('reports timeout when a subscriber does not reply', async () => {
    const requester = await openBus();
    const subject = `${freshNamespace()}.silent`;
    requester.subscribe(subject, () => {});
    expect(await requester.request(subject, {}, 100)).toEqual({ kind: 'timeout' });
  });

  it('reports malformed for a reply that is not JSON or not UTF-8', async () => {
    const [requester, raw] = [await openBus(), await rawNats()];
    const subject = `${freshNamespace()}.bad`;
    const answers = ['{"no', new Uint8Array([0xff, 0xfe]), ''];
    raw.subscribe(subject, {
      callback: (_error, message) => void message.respond(answers.shift()),
    });
    await raw.flush();
    for (let i = 0; i < 3; i++)
      expect((await requester.request(subject, {}, 2_000)).kind).toBe('malformed');
    expect(answers).toEqual([]);
  });

  it('reports disconnected at once when it may not publish the request or subscribe to replies', async () => {
    const servers = [await natsThatForbids(['forbidden.>'], ['_INBOX.>'])];
    const warnings: string[] = [];
    const requester = await openBus({ servers, warnings });
    expect(await requester.request('forbidden.x', {}, 60_000)).toEqual({ kind: 'disconnected' });
    expect(await requester.request('allowed.x', {}, 60_000)).toEqual({ kind: 'disconnected' });
    expect(warnings.join()).toMatch(/PERMISSIONS_VIOLATION/i);
  });

  it('still sends requests after one that was forbidden', async () => {
    const servers = [await natsThatForbids(['forbidden.>'], [])];
    const [requester, responder] = [await openBus({ servers }), await openBus({ servers })];
    responder.subscribe('allowed.x', (message) => message.reply('received'));
    await responder.flush();
    const [refused, received] = await Promise.all([
      requester.request('forbidden.x', {}, 60_000),
      requester.request('allowed.x', {}, 60_000),
    ]);
    expect([refused, received]).toEqual([
      { kind: 'disconnected' },
      { kind: 'reply', body: 'received' },
    ]);
  });

  it('still delivers after handlers that throw or reject, and reports both', async () => {
    const warnings: string[] = [];
    const [subscriber, publisher] = [await openBus({ warnings }), await openBus()];
    const root = freshNamespace();
    const received: string[] = [];
    subscriber.subscribe(`${root}.sync`, () => {
      throw new Error('boom');
    });
    subscriber.subscribe(`${root}.async`, async () => {
      await Promise.resolve();
      throw new Error('bang');
    });
    subscriber.subscribe(`${root}.fine`, (message) => void received.push(text(message)));
    await subscriber.flush();
    publisher.publish(`${root}.sync`, 1);
    publisher.publish(`${root}.async`, 2);
    publisher.publish(`${root}.fine`, 3);
    await until(() => received.length === 1 && warnings.length === 2);
    expect(warnings.some((line) => line.includes('boom'))).toBe(true);
    expect(warnings.some((line) => line.includes('bang'))).toBe(true);
  });

  it('delivers in the order of publishing', async () => {
    const [subscriber, publisher] = [await openBus(), await openBus()];
    const subject = `${freshNamespace()}.ordered`;
    const received: number[] = [];
    subscriber.subscribe(subject, (message) => void received.push(Number(text(message))));
    await subscriber.flush();
    for (let i = 0; i < 5_000; i++) publisher.publish(subject, i);
    await until(() => received.length === 5_000);
    expect(received).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
  });

  it('delivers a queue-group message to one member and a broadcast to all', async () => {
    const [one, two, publisher] = [await openBus(), await openBus(), await openBus()];
    const root = freshNamespace();
    const queued: string[] = [];
    const broadcast: string[] = [];
    for (const [name, member] of [['one', one] as const, ['two', two] as const]) {
      member.subscribe(`${root}.q`, () => void queued.push(name), { queue: 'g' });
      member.subscribe(`${root}.b`, () => void broadcast.push(name));
      await member.flush();
    }
    for (let i = 0; i < 100; i++) publisher.publish(`${root}.q`, i);
    publisher.publish(`${root}.b`, 0);
    await until(() => queued.length >= 100 && broadcast.length >= 2);
    await one.flush();
    await two.flush();
    expect(queued).toHaveLength(100);
    expect(broadcast.sort()).toEqual(['one', 'two']);
  });

  it('sends a short error instead of a reply that exceeds the limit of the server', async () => {
    const warnings: string[] = [];
    const [responder, requester] = [await openBus({ warnings }), await openBus()];
    const subject = `${freshNamespace()}.large`;
    responder.subscribe(subject, (message) => message.reply('x'.repeat(2_000_000)));
    await responder.flush();
    const reply = await requester.request(subject, {}, 2_000);
    expect(reply).toMatchObject({ kind: 'reply', body: { error: { code: 'unavailable' } } });
    expect(warnings).toHaveLength(1);
  });

  it('drops a publish that is too large, refuses such a request, and survives both', async () => {
    const warnings: string[] = [];
    const one = await openBus({ warnings });
    const subject = `${freshNamespace()}.s`;
    one.subscribe(subject, (message) => message.reply(1));
    one.publish(subject, 'x'.repeat(2_000_000));
    expect(warnings).toHaveLength(1);
    await expect(one.request(subject, 'x'.repeat(2_000_000), 1_000)).rejects.toThrow(RangeError);
    expect(await one.request(subject, {}, 1_000)).toEqual({ kind: 'reply', body: 1 });
  });

  it('delivers what was published before close, and may be closed twice', async () => {
    const [subscriber, publisher] = [await openBus(), await openBus()];
    const subject = `${freshNamespace()}.last`;
    const received: string[] = [];
    subscriber.subscribe(subject, (message) => void received.push(text(message)));
    await subscriber.flush();
    for (let i = 0; i < 1_000; i++) publisher.publish(subject, i);
    await publisher.close();
    await publisher.close();
    await until(() => received.length === 1_000);
    expect(publisher.connected()).toBe(false);
    expect(await publisher.request(subject, {}, 1_000)).toEqual({ kind: 'disconnected' });
    publisher.publish(subject, 'dropped');
    await publisher.flush();
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
      onTestFinished(() => expect(waiting).rejects.toThrow(/cannot connect/));
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
    onTestFinished(() => stack.stop());
    const servers = [...stack.natsUrls];
    const warnings: string[] = [];
    const [responder, requester] = [
      await openBus({ servers }),
      await openBus({ servers, warnings }),
    ];
    const subject = 'restart.a';
    responder.subscribe(subject, (message) => message.reply('here'), { queue: 'g' });
    responder.subscribe('restart.silent', () => {});
    await responder.flush();
    expect(await requester.request(subject, {}, 2_000)).toEqual({ kind: 'reply', body: 'here' });

    const underWay = requester.request('restart.silent', {}, 60_000);
    await requester.flush();
    stack.server('nats').kill();
    expect(await underWay).toEqual({ kind: 'disconnected' });
    await until(() => !requester.connected());
    expect(await requester.request(subject, {}, 60_000)).toEqual({ kind: 'disconnected' });
    requester.publish(subject, 'is lost');
    await requester.flush();

    await stack.server('nats').restart();
    await until(() => requester.connected() && responder.connected());
    await responder.flush();
    expect(await requester.request(subject, {}, 2_000)).toEqual({ kind: 'reply', body: 'here' });
    expect(warnings).toEqual(['lost the connection to NATS; reconnecting', 'reconnected to NATS']);
  });

  it('is not taken for lost by a process that is behind with reading', async () => {
    const stack = await startPrivateStack({
      given: { etcdUrls: [], postgresUrl: 'postgres://unused' },
    });
    onTestFinished(() => stack.stop());
    const warnings: string[] = [];
    const servers = [...stack.natsUrls];
    const onWarning = (message: string): void => void warnings.push(message);
    const slow = await connectBus({ servers, name: 'slow', pingIntervalMs: 100, onWarning });
    onTestFinished(() => slow.close());
    const sender = await connectBus({ servers, name: 'sender' });
    onTestFinished(() => sender.close());
    let read = 0;
    slow.subscribe('flood', () => {
      read += 1;
      const endMs = performance.now() + 5;
      while (performance.now() < endMs);
    });
    await slow.flush();
    // So large that the process reads a few at a time, with timers in between.
    const body = 'x'.repeat(16 * 1024);
    for (let nth = 0; nth < 300; nth += 1) sender.publish('flood', { body });
    await until(() => read === 300);
    expect(warnings).toEqual([]);
  });

  it('is detected when it is only frozen', async (context) => {
    const machine = await watchMachine();
    const stack = await startPrivateStack({
      given: { etcdUrls: [], postgresUrl: 'postgres://unused' },
    });
    onTestFinished(() => stack.stop());
    let onLost: (message: string) => void = () => undefined;
    const one = await connectBus({
      servers: [...stack.natsUrls],
      name: 'test',
      pingIntervalMs: 100,
      onWarning: (message) => onLost(message),
    });
    onTestFinished(() => one.close());
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
