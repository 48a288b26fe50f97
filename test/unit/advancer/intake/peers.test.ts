import { beforeEach, describe, expect, it } from 'vitest';

import { Peers } from '../../../../advancer/intake/peers.ts';
import { Attempts } from '../../../../advancer/run/attempts.ts';
import type { Bus, BusReply } from '../../../../src/bus/bus.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const ME = 'a-00000001';
const OTHER = 'b-00000002';
const names = subjects('test');

const ALIVE: BusReply = { kind: 'reply', body: {} };

describe('another replica', () => {
  const clock = new HandClock();
  let answers: Map<string, BusReply>;
  let requested: string[];
  let echoAfterMs: number;
  let peers: Peers;

  beforeEach(() => {
    answers = new Map();
    requested = [];
    echoAfterMs = 0;
    const bus: Partial<Bus> = {
      subscribe: () => ({ unsubscribe: () => undefined }),
      request: async (subject, _body, timeoutMs) => {
        requested.push(subject);
        if (subject === names.replica(ME) && echoAfterMs > 0) {
          await clock.sleep(echoAfterMs);
          return ALIVE;
        }
        const answer = answers.get(subject);
        if (answer === undefined) await clock.sleep(timeoutMs);
        return answer ?? { kind: 'timeout' };
      },
    };
    peers = new Peers({
      bus: bus as Bus,
      subjects: names,
      clock,
      attempts: new Attempts(),
      count: () => undefined,
      onForwarded: () => undefined,
    });
    peers.listen(ME);
  });

  async function within(ms: number): Promise<boolean | undefined> {
    let answer: boolean | undefined;
    void peers.reachable(OTHER).then((reachable) => (answer = reachable));
    await clock.advance(ms);
    return answer;
  }

  it('is reachable when it answers, and not when nobody is subscribed', async () => {
    answers.set(names.replica(OTHER), ALIVE);
    expect(await within(1)).toBe(true);
    await clock.advance(200);
    answers.set(names.replica(OTHER), { kind: 'no_responders' });
    expect(await within(1)).toBe(false);
  });

  it('is unreachable when three pings stay unanswered, within 300 ms', async () => {
    answers.set(names.replica(ME), ALIVE);
    expect(await within(300)).toBe(false);
    expect(requested.filter((subject) => subject === names.replica(OTHER))).toHaveLength(3);
  });

  it('counts as reachable for a process whose own messages are lost', async () => {
    expect(await within(300)).toBe(true);
  });

  it('gets one more ping when another message of it is heard meanwhile, but not for an earlier one', async () => {
    answers.set(names.replica(ME), ALIVE);
    peers.heard(OTHER, true);
    expect(await within(300)).toBe(false);
    await clock.advance(200);
    let answer: boolean | undefined;
    void peers.reachable(OTHER).then((reachable) => (answer = reachable));
    await clock.advance(150);
    peers.heard(OTHER, false);
    answers.set(names.replica(OTHER), ALIVE);
    // The third is under way and would have been the last.
    expect(requested.filter((subject) => subject === names.replica(OTHER))).toHaveLength(6);
    await clock.advance(100);
    expect(requested.filter((subject) => subject === names.replica(OTHER))).toHaveLength(7);
    expect(answer).toBe(true);
  });

  it('is unreachable when it publishes but does not answer: it receives nothing', async () => {
    answers.set(names.replica(ME), ALIVE);
    const answer = peers.reachable(OTHER);
    for (let heard = 0; heard < 10; heard += 1) {
      await clock.advance(50);
      peers.heard(OTHER, false);
    }
    expect(await answer).toBe(false);
  });

  it('is reachable when it answers broadcasts that came here too, though no ping comes back: it is busy', async () => {
    answers.set(names.replica(ME), ALIVE);
    const answer = peers.reachable(OTHER);
    await clock.advance(100);
    peers.heard(OTHER, true);
    await clock.advance(30);
    expect(await answer).toBe(true);
    // What it answered before the pings is no sign of life.
    await clock.advance(200);
    expect(await within(300)).toBe(false);
  });

  it('gets longer when the messages of this process to itself are slow', async () => {
    echoAfterMs = 90;
    const answer = peers.reachable(OTHER);
    await clock.advance(600);
    answers.set(names.replica(OTHER), ALIVE);
    await clock.advance(100);
    expect(await answer).toBe(true);
    await clock.advance(200);
    answers.delete(names.replica(OTHER));
    expect(await within(1_000)).toBe(false);
  });

  it('is not judged by a ping that timed out late: its reply may be unread', async () => {
    answers.set(names.replica(ME), ALIVE);
    const answer = peers.reachable(OTHER);
    clock.jump(400);
    await clock.advance(100);
    answers.set(names.replica(OTHER), ALIVE);
    await clock.advance(100);
    expect(await answer).toBe(true);
  });

  it('is pinged once for all callers: they wait for the same answer', async () => {
    answers.set(names.replica(ME), ALIVE);
    const first = peers.reachable(OTHER);
    await clock.advance(200);
    const second = peers.reachable(OTHER);
    await clock.advance(100);
    expect(await Promise.all([first, second])).toEqual([false, false]);
    expect(requested.filter((subject) => subject === names.replica(OTHER))).toHaveLength(3);
  });
});
