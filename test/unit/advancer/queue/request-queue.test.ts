import { beforeEach, describe, expect, it } from 'vitest';

import { RequestQueue } from '../../../../advancer/queue/request-queue.ts';
import type { Bus, BusMessage } from '../../../../src/bus/bus.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import type { Json } from '../../../../src/json.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { SettlerWorld, FakeStream, receiptOf } from './fixture.ts';

let world: SettlerWorld;
let stream: FakeStream;
let queue: RequestQueue;
let lines: string[];
/** Whether this replica has to serve, and ranks first. */
let turn: { serves: boolean; first: boolean };
let publish: (body: unknown, instanceId?: string) => Json[];

beforeEach(() => {
  world = new SettlerWorld();
  stream = new FakeStream(world.clock);
  lines = [];
  turn = { serves: true, first: true };
  const bus: Partial<Bus> = {
    connected: () => true,
    subscribe: (_subject, handler) => {
      publish = (body, instanceId = 'i') => {
        const replies: Json[] = [];
        const message: BusMessage = {
          subject: `leasehold.test.enqueue.${instanceId}`,
          data: new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body)),
          wantsReply: true,
          account: { kind: 'none' },
          reply: (reply) => void replies.push(reply),
        };
        void handler(message);
        return replies;
      };
      return { unsubscribe: () => undefined };
    },
  };
  const note = (fields: object, text: string): void => {
    lines.push(`${text}: ${JSON.stringify(fields)}`);
  };
  const { options } = world;
  queue = new RequestQueue({
    ...options,
    stream,
    bus: bus as Bus,
    subjects: subjects('test'),
    router: { ...options.router, serves: () => turn.serves },
    isFirst: () => turn.first,
    logger: { debug: note, info: note, warn: note, error: note },
  });
});

/** Records the receipt of whatever is served, after a while. */
function recordAfter(ms: number): void {
  world.serve = async ({ requestId = '' }) => {
    await world.clock.sleep(ms);
    world.recorded.set(requestId, receiptOf(requestId));
  };
}

const body = (requestId: string) => ({ requestId, agentId: 'ann' });

describe('what is in the stream', () => {
  it('is acknowledged once its receipt is recorded, and is said to be worked on until then', async () => {
    recordAfter(3_500);
    const { answers } = stream.put();
    queue.open();
    await world.clock.advance(3_400);
    expect(answers).toEqual(['working', 'working']);
    await world.clock.advance(200);
    expect(answers).toEqual(['working', 'working', 'ack']);
    queue.close();
  });

  it('is in the hands of a replica 64 at a time, and all of it is settled in the end', async () => {
    recordAfter(1_000);
    let [atWork, most] = [0, 0];
    const { serve } = world;
    world.serve = async (operation) => {
      most = Math.max(most, (atWork += 1));
      await serve(operation);
      atWork -= 1;
    };
    const put = Array.from({ length: 500 }, (_, nth) => stream.put({ body: body(`q${nth}`) }));
    queue.open();
    await world.clock.advance(30_000);
    expect(most).toBe(64);
    expect(put.map(({ answers }) => answers.at(-1))).toEqual(put.map(() => 'ack'));
    queue.close();
  });

  it('is tried again, and again, until it can be served', async () => {
    const { answers } = stream.put();
    queue.open();
    await world.clock.advance(10_000);
    expect(answers.length).toBeGreaterThan(3);
    expect(answers).not.toContain('ack');
    recordAfter(0);
    await world.clock.advance(10_000);
    expect(answers.at(-1)).toBe('ack');
    queue.close();
  });

  it('is given to others when the replica ends, which acknowledges what it has settled', async () => {
    recordAfter(1_000);
    const [settling, waiting] = [
      stream.put({ body: body('q1') }),
      stream.put({ body: body('q2') }),
    ];
    queue.open();
    await world.clock.advance(500);
    queue.close();
    expect(settling.answers).toEqual(['retry in 0']);
    await world.clock.advance(60_000);
    expect([settling.answers, waiting.answers]).toEqual([
      ['retry in 0', 'ack'],
      ['retry in 0', 'ack'],
    ]);
    expect(world.clock.timers).toBe(0);
  });

  it('that cannot be served is kept elsewhere first; if it cannot be, it stays', async () => {
    stream.poisonTrouble = 'maximum messages exceeded';
    const { answers } = stream.put({ body: 'what' });
    queue.open();
    await world.clock.advance(29_000);
    expect(answers).toEqual(['retry in 30000']);
    expect(lines.join()).toContain('maximum messages exceeded');
    stream.poisonTrouble = undefined;
    await world.clock.advance(10_000);
    expect(answers).toEqual(['retry in 30000', 'ack']);
    expect(stream.poisoned).toMatchObject([
      { seq: 1, reason: expect.stringContaining('request id') },
    ]);
    expect(world.counted).toContain('poison');
    queue.close();
  });

  it('can be counted', async () => {
    stream.state = { kind: 'unusable', why: 'not there' };
    stream.put();
    queue.open();
    await settled();
    expect(queue.backlog).toEqual({ waiting: 1, oldestAtMs: undefined, poison: 0 });
    queue.close();
  });
});

describe('a stream that cannot be used', () => {
  it('is reported by the first in rank to the agent that enqueues, and is looked at again', async () => {
    stream.state = { kind: 'unusable', why: 'stream LEASEHOLD_test_ENQUEUE is foreign' };
    stream.put();
    queue.open();
    await world.clock.advance(60_000);
    expect(stream.prepared).toBe(9);
    expect(stream.pulls).toEqual([]);
    // Not each time.
    expect(lines.filter((line) => line.includes('foreign')).length).toBeLessThan(6);
    expect(publish(body('q'))).toEqual([
      { error: { code: 'unavailable', message: 'stream LEASEHOLD_test_ENQUEUE is foreign' } },
    ]);
    turn.first = false;
    expect(publish(body('q'))).toEqual([]);
    expect(world.taken).toEqual([]);
    stream.state = { kind: 'ready', problems: ['max_age is 5'] };
    await world.clock.advance(10_000);
    expect(stream.pulls[0]).toBe(64);
    expect(lines.filter((line) => line.includes('max_age is 5'))).toHaveLength(1);
    queue.close();
  });

  it('or that is gone, is made again', async () => {
    queue.open();
    await world.clock.advance(10_000);
    expect(stream.prepared).toBe(1);
    stream.reachable = false;
    await world.clock.advance(6_000);
    expect(stream.prepared).toBeGreaterThan(1);
    stream.reachable = true;
    recordAfter(0);
    const { answers } = stream.put();
    await world.clock.advance(6_000);
    expect(answers.at(-1)).toBe('ack');
    queue.close();
  });
});

describe('what is seen on the bus', () => {
  it('is served at once by the replica whose turn it is', async () => {
    queue.open();
    await settled();
    publish(body('q'));
    expect(world.taken).toEqual(['enqueue/i/q']);
    turn.serves = false;
    publish(body('q2'));
    expect(world.taken).toHaveLength(1);
    queue.close();
  });

  it('is left to the stream if it is not a request, or one to be refused', async () => {
    queue.open();
    await settled();
    for (const text of ['what', '{"requestId":"q"}', { ...body('q'), wait: true }]) publish(text);
    publish(body('q'), 'no.instance');
    expect(world.taken).toEqual([]);
    queue.close();
  });
});
