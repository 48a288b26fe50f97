import { beforeEach, describe, expect, it } from 'vitest';

import { Peers } from '../../../../advancer/intake/peers.ts';
import { QuestionMessage } from '../../../../advancer/mac/statements.ts';
import { Attempts } from '../../../../advancer/run/attempts.ts';
import type { Bus, BusReply } from '../../../../src/bus/bus.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import type { Json } from '../../../../src/json.ts';
import { newSecret } from '../../../../coordinator/secrets.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';
import { member } from '../mac/members.ts';

const ME = 'a-00000001';
const OTHER = 'b-00000002';
const names = subjects('test');

/** It answers as a replica does. */
const ALIVE = 'alive';
type Answer = BusReply | typeof ALIVE;

describe('another replica', () => {
  const clock = new HandClock();
  let answers: Map<string, Answer>;
  let requested: string[];
  let echoAfterMs: number;
  let answerAfterMs: number;
  let peers: Peers;

  beforeEach(() => {
    answers = new Map();
    requested = [];
    echoAfterMs = 0;
    answerAfterMs = 0;
    const secret = newSecret();
    const [me, other] = [member(ME, [secret]), member(OTHER, [secret])];
    const bus: Partial<Bus> = {
      subscribe: () => ({ unsubscribe: () => undefined }),
      request: async (subject, body, timeoutMs, accepts) => {
        requested.push(subject);
        const toMe = subject === names.replica(ME);
        const answer = toMe && echoAfterMs > 0 ? ALIVE : answers.get(subject);
        if (answer === undefined) await clock.sleep(timeoutMs);
        if (answer !== ALIVE) return answer ?? { kind: 'timeout' };
        const afterMs = toMe ? echoAfterMs : answerAfterMs;
        if (afterMs > 0) await clock.sleep(afterMs);
        const asked = QuestionMessage.parse(JSON.parse(JSON.stringify(body)));
        const { messages } = toMe ? me : other;
        const question = messages.openQuestion(asked);
        const reply = question && messages.answer(question, { replicaId: 'any' });
        return accepts?.(reply as Json) === true
          ? { kind: 'reply', body: reply as Json }
          : { kind: 'timeout' };
      },
    };
    peers = new Peers({
      bus: bus as Bus,
      subjects: names,
      clock,
      messages: me.messages,
      attempts: new Attempts(() => ({ holding: () => undefined, supersede: () => undefined })),
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
    for (let notes = 0; notes < 22; notes += 1) {
      await clock.advance(50);
      peers.heard(OTHER, true);
    }
    expect(await answer).toBe(true);
    // What it answered before the pings is no sign of life.
    await clock.advance(200);
    expect(await within(300)).toBe(false);
  });

  it('is unreachable soon after it has answered the last that had reached it', async () => {
    answers.set(names.replica(ME), ALIVE);
    let answer: boolean | undefined;
    void peers.reachable(OTHER).then((reachable) => (answer = reachable));
    await clock.advance(100);
    peers.heard(OTHER, true);
    await clock.advance(150);
    expect(answer).toBeUndefined();
    await clock.advance(100);
    expect(answer).toBe(false);
  });

  it('has to answer a ping at last, however much it is heard to answer: notes may be old', async () => {
    answers.set(names.replica(ME), ALIVE);
    const result = { reachable: true };
    const fromMs = clock.monotonicMs();
    let atMs = fromMs;
    while (result.reachable && atMs - fromMs < 20_000) {
      const call = { over: false };
      const answer = peers.reachable(OTHER).finally(() => (call.over = true));
      while (!call.over) {
        await clock.advance(50);
        peers.heard(OTHER, true);
      }
      result.reachable = await answer;
      atMs = clock.monotonicMs();
    }
    expect(result.reachable).toBe(false);
    expect(atMs - fromMs).toBeGreaterThan(5_000);
    expect(atMs - fromMs).toBeLessThan(7_000);
  });

  it('is reachable for good when its answers to pings come late but come: it is busy', async () => {
    answers.set(names.replica(ME), ALIVE);
    answers.set(names.replica(OTHER), ALIVE);
    answerAfterMs = 900;
    for (let round = 0; round < 40; round += 1) {
      const answer = peers.reachable(OTHER);
      for (let notes = 0; notes < 22; notes += 1) {
        await clock.advance(50);
        peers.heard(OTHER, true);
      }
      expect(await answer).toBe(true);
    }
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
