import { setTimeout as sleep } from 'node:timers/promises';

import type { JetStreamManager, StreamConfig } from 'nats';
import { describe, expect, it, onTestFinished } from 'vitest';

import type { NatsBus } from '../../../../src/bus/nats-bus.ts';
import { connectBus } from '../../../../src/bus/nats.ts';
import type { RequestStream, StoredMessage } from '../../../../src/bus/request-stream.ts';
import { subjects, type Subjects } from '../../../../src/bus/subjects.ts';
import type { StreamSettings } from '../../../../src/config/stream-settings.ts';
import { locateServer } from '../../../../tools/stack/locate.ts';
import { startNats } from '../../../../tools/stack/nats-server.ts';
import { closeWorkspace, openWorkspace } from '../../../../tools/stack/workspace.ts';
import { freshNamespace, serversForTests } from '../../../harness/servers.ts';
import { rawNats } from '../nats-fixture.ts';

const SETTINGS: StreamSettings = {
  replicas: 1,
  storage: 'file',
  maxMessages: 1_000,
  maxBytes: undefined,
  maxPoison: 100,
};

interface Scene {
  bus: NatsBus;
  names: Subjects;
  stream: RequestStream;
  jsm: JetStreamManager;
}

async function scene(
  settings = SETTINGS,
  servers = [...serversForTests().natsUrls],
): Promise<Scene> {
  const names = subjects(freshNamespace());
  const bus = await connectBus({ servers, name: 'test' });
  onTestFinished(() => bus.close());
  const raw = await rawNats(servers);
  const stream = bus.requestStream(names, settings);
  return { bus, names, stream, jsm: await raw.jetstreamManager() };
}

const anything = (): boolean => true;

/** Enqueues a body; returns the stream's answer. */
function enqueue({ bus, names }: Scene, instanceId: string, body: string) {
  return bus.store(names.enqueue(instanceId), body, 5_000, anything);
}

/** The messages of one pull. */
async function pulled(stream: RequestStream, max: number, waitMs = 300): Promise<StoredMessage[]> {
  const messages: StoredMessage[] = [];
  expect(await stream.pull(max, waitMs, (message) => void messages.push(message))).toBe(true);
  return messages;
}

function bodyOf({ data }: StoredMessage): unknown {
  return JSON.parse(new TextDecoder().decode(data));
}

describe('preparing the streams of a namespace', () => {
  it('creates them as the settings say, and the second time finds nothing wrong', async () => {
    const at = await scene();
    expect(await at.stream.prepare()).toEqual({ kind: 'ready', problems: [] });
    expect(await at.stream.prepare()).toEqual({ kind: 'ready', problems: [] });
    const { config } = await at.jsm.streams.info(at.names.requestStream);
    expect(config).toMatchObject({
      subjects: [`leasehold.${at.names.namespace}.enqueue.*`],
      retention: 'workqueue',
      discard: 'new',
      storage: 'file',
      num_replicas: 1,
      max_msgs: 1_000,
    });
    const consumer = await at.jsm.consumers.info(at.names.requestStream, 'advancers');
    expect(consumer.config).toMatchObject({ ack_policy: 'explicit', max_deliver: -1 });
    expect((await at.jsm.streams.info(at.names.poisonStream)).config).toMatchObject({
      retention: 'limits',
      max_msgs: 100,
    });
  });

  it('by many replicas at once creates them once', async () => {
    const at = await scene();
    const states = await Promise.all(
      Array.from({ length: 8 }, () => at.bus.requestStream(at.names, SETTINGS).prepare()),
    );
    expect(states).toEqual(states.map(() => ({ kind: 'ready', problems: [] })));
  });

  it.each<[string, (names: Subjects) => Partial<StreamConfig>, RegExp]>([
    ['has other subjects', () => ({ subjects: [`else.${freshNamespace()}`] }), /it captures/],
    [
      'keeps what was acknowledged',
      ({ allEnqueued }) => ({ subjects: [allEnqueued] }),
      /retention is "limits", not workqueue/,
    ],
  ])('reports a stream of that name that %s, and leaves it alone', async (_what, config, why) => {
    const at = await scene();
    const { requestStream: name } = at.names;
    await at.jsm.streams.add({ name, ...config(at.names) });
    const before = (await at.jsm.streams.info(name)).config;
    const state = await at.stream.prepare();
    expect(state).toMatchObject({ kind: 'unusable' });
    expect(state.kind === 'unusable' && state.why).toMatch(why);
    expect(state.kind === 'unusable' && state.why).toContain(name);
    expect((await at.jsm.streams.info(name)).config).toEqual(before);
  });

  it('reports a stream of another name that captures the subjects', async () => {
    const at = await scene();
    const name = `TAP_${at.names.namespace}`;
    await at.jsm.streams.add({ name, subjects: [`leasehold.${at.names.namespace}.>`] });
    const state = await at.stream.prepare();
    expect(state.kind === 'unusable' && state.why).toContain(`${name} captures`);
    await expect(at.jsm.streams.info(at.names.requestStream)).rejects.toThrow(/not found/);
  });

  it('uses one that differs from the settings, says how, and changes nothing', async () => {
    const at = await scene();
    await at.stream.prepare();
    const settings: StreamSettings = { ...SETTINGS, maxMessages: 5 };
    const state = await at.bus.requestStream(at.names, settings).prepare();
    expect(state.kind).toBe('ready');
    const [problem, ...others] = state.kind === 'ready' ? state.problems : [];
    expect(problem).toContain(`${at.names.requestStream} has max_msgs 1000, not 5`);
    expect(others).toEqual([]);
    await at.jsm.streams.update(at.names.requestStream, { max_age: 300_000_000_000 });
    const aged = await at.stream.prepare();
    expect(aged.kind === 'ready' && aged.problems.join()).toContain('requests are dropped');
    expect((await at.jsm.streams.info(at.names.requestStream)).config).toMatchObject({
      max_msgs: 1_000,
      max_age: 300_000_000_000,
    });
  });
});

describe('a stored request', () => {
  it('is acknowledged by its stream, and delivered until it is settled', async () => {
    const at = await scene();
    await at.stream.prepare();
    expect(await enqueue(at, 'i', 'a')).toMatchObject({
      kind: 'reply',
      body: { stream: at.names.requestStream, seq: 1 },
    });
    const [first] = await pulled(at.stream, 10);
    expect(first).toMatchObject({
      subject: at.names.enqueue('i'),
      seq: 1,
      deliveries: 1,
      account: { kind: 'none' },
    });
    expect(Math.abs(first!.storedAtMs - Date.now())).toBeLessThan(60_000);
    first!.retryIn(50);
    const [second] = await pulled(at.stream, 10, 2_000);
    expect(second).toMatchObject({ seq: 1, deliveries: 2 });
    expect(bodyOf(second!)).toBe('a');
    expect(await at.stream.backlog()).toMatchObject({ waiting: 1, poison: 0 });
    second!.ack();
    await at.bus.flush();
    expect(await pulled(at.stream, 10)).toEqual([]);
    expect(await at.stream.backlog()).toEqual({ waiting: 0, oldestAtMs: undefined, poison: 0 });
  });

  it('is refused by a stream that is full', async () => {
    const at = await scene({ ...SETTINGS, maxMessages: 1 });
    await at.stream.prepare();
    await enqueue(at, 'i', 'a');
    expect(await enqueue(at, 'i', 'b')).toMatchObject({
      kind: 'reply',
      body: { error: { description: expect.stringMatching(/maximum messages/) } },
    });
  });

  it('that cannot be served is kept with the reason, once, and can be put back', async () => {
    const at = await scene();
    await at.stream.prepare();
    await enqueue(at, 'i', 'what is this');
    const [message] = await pulled(at.stream, 1);
    expect(await at.stream.poison(message!, 'no\r\nrequest id ä')).toBeUndefined();
    // The acknowledgement was lost: it is tried again.
    expect(await at.stream.poison(message!, 'no request id')).toBeUndefined();
    message!.ack();
    const poison = at.bus.poisonStream(at.names);
    const [kept, ...others] = await poison.list(10);
    expect(kept).toMatchObject({
      seq: 1,
      subject: at.names.enqueue('i'),
      reason: 'no request id',
      storedAt: new Date(message!.storedAtMs).toISOString(),
    });
    expect(Buffer.from(kept!.data).toString()).toBe('"what is this"');
    expect(others).toEqual([]);
    expect(await at.stream.backlog()).toMatchObject({ poison: 1 });
    expect(await poison.resend(1)).toEqual({ stream: at.names.requestStream, seq: 2 });
    expect(await poison.list(10)).toEqual([]);
    expect(await poison.resend(1)).toBeUndefined();
    expect((await pulled(at.stream, 10)).map(bodyOf)).toEqual(['what is this']);
  });

  it('stays among those that cannot be served if another stream takes what is put back', async () => {
    const at = await scene();
    await at.stream.prepare();
    await enqueue(at, 'i', 'x');
    const [message] = await pulled(at.stream, 1);
    await at.stream.poison(message!, 'no request id');
    await at.jsm.streams.delete(at.names.requestStream);
    const other = `OTHER_${at.names.namespace}`;
    await at.jsm.streams.add({ name: other, subjects: [at.names.allEnqueued] });
    onTestFinished(async () => void (await at.jsm.streams.delete(other)));
    const poison = at.bus.poisonStream(at.names);
    await expect(poison.resend(1)).rejects.toThrow(
      `the JetStream stream ${other} captures ${at.names.enqueue('i')}`,
    );
    expect(await poison.list(10)).toHaveLength(1);
  });

  it('survives a restart of NATS', async () => {
    const workspace = await openWorkspace();
    onTestFinished(() => closeWorkspace(workspace));
    const server = await startNats(await locateServer('nats'), workspace);
    onTestFinished(() => server.stop());
    const at = await scene(SETTINGS, [server.url]);
    await at.stream.prepare();
    await enqueue(at, 'i', 'a');
    const waiting = at.stream.pull(1, 60_000, (message) => message.retryIn(0));
    await server.stop();
    await server.restart();
    await waiting;
    while (!at.bus.connected()) await sleep(20);
    expect(await at.stream.prepare()).toEqual({ kind: 'ready', problems: [] });
    const messages: StoredMessage[] = [];
    while (messages.length === 0) messages.push(...(await pulled(at.stream, 10, 2_000)));
    expect(messages.map(bodyOf)).toEqual(['a']);
  });
});
