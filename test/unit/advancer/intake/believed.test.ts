import { describe, expect, it } from 'vitest';

import { PeerNotes } from '../../../../advancer/intake/peer-notes.ts';
import { Peers } from '../../../../advancer/intake/peers.ts';
import { Notes } from '../../../../advancer/mac/notes.ts';
import { QuestionMessage, type QuestionBody } from '../../../../advancer/mac/statements.ts';
import { Attempts } from '../../../../advancer/run/attempts.ts';
import { newSecret } from '../../../../coordinator/secrets.ts';
import type { Bus, BusMessage } from '../../../../src/bus/bus.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import type { Json, JsonObject } from '../../../../src/json.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';
import { member, record, type Member } from '../mac/members.ts';

const names = subjects('test');
const RUNS: QuestionBody = {
  ask: 'runs',
  instanceId: 'i',
  cellId: 'c',
  attempt: 1,
  fencingToken: 9,
};

/** One replica on a bus that a test speaks on, and everything that it did. */
function replica(me: Member) {
  const handlers = new Map<string, (message: BusMessage) => void>();
  const sent: { subject: string; body: Json }[] = [];
  const did: string[] = [];
  const attempts = new Attempts(() => ({ holding: () => undefined, supersede: () => undefined }));
  const bus: Partial<Bus> = {
    subscribe(subject, handler) {
      handlers.set(subject, (message) => void handler(message));
      return { unsubscribe: () => undefined };
    },
    publish: (subject, body) => void sent.push({ subject, body }),
    request(subject, body) {
      sent.push({ subject, body });
      return Promise.resolve({ kind: 'reply', body: { runs: false } });
    },
  };
  const count = (event: { what: string }): void => void did.push(event.what);
  const peers = new Peers({
    bus: bus as Bus,
    subjects: names,
    clock: new HandClock(),
    messages: me.messages,
    attempts,
    count,
    onForwarded: ({ instanceId }, message) => {
      did.push(`serve ${instanceId}`);
      message.reply({ outcome: 'completed' });
    },
  });
  peers.listen('me');
  new PeerNotes({
    bus: bus as Bus,
    subjects: names,
    messages: me.messages,
    router: {
      draining: (replicaId) => void did.push(`draining ${replicaId}`),
      answered: (keys, by) => did.push(`answered ${keys.join()} by ${by}`) > 0,
      placed: ({ instanceId }) => void did.push(`placed ${instanceId}`),
      take: ({ key }) => void did.push(`take ${key}`),
    },
    arrivedAtMs: () => 0,
    count,
    heard: (replicaId) => void did.push(`heard ${replicaId}`),
    dueAnnounced: () => void did.push('due'),
  }).open();
  /** Says something on a subject, and returns the replies. */
  const say = (subject: string, body: unknown, pattern = subject): Json[] => {
    const replies: Json[] = [];
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const data = new TextEncoder().encode(text);
    handlers.get(pattern)?.({
      subject,
      data,
      wantsReply: true,
      account: { kind: 'none' },
      reply: (reply) => void replies.push(JSON.parse(JSON.stringify(reply)) as Json),
    });
    return replies;
  };
  return { peers, attempts, did, sent, say };
}

function pair() {
  const secret = newSecret();
  const [me, other] = [member('me', [secret]), member('other', [secret])];
  return { me, other, ...replica(me) };
}

describe('a question to a replica', () => {
  it('that is sealed is answered, sealed: a ping, an attempt, and a forwarded request', () => {
    const { other, say, did } = pair();
    const ask = (body: QuestionBody): JsonObject | undefined => {
      const asked = other.messages.ask('me', body)!;
      const [reply] = say(names.replica('me'), asked.message);
      return other.messages.openAnswer(asked.question, reply ?? null);
    };
    expect(ask({ ask: 'ping' })).toMatchObject({ replicaId: 'me' });
    expect(ask(RUNS)).toEqual({ runs: false });
    const served = ask({ ask: 'serve', verb: 'advance', instanceId: 'i', body: '{}' });
    expect(served).toEqual({ reply: { outcome: 'completed' } });
    expect(did).toEqual(['serve i']);
  });

  it('that is not sealed is not answered, promises nothing and serves nothing; nor is garbage', () => {
    const { me, attempts, say, did } = pair();
    const stranger = member('other', [newSecret()]);
    const forged = [RUNS, { ask: 'serve', verb: 'advance', instanceId: 'i', body: '{}' }] as const;
    for (const body of [...forged, { ask: 'ping' } as const]) {
      expect(say(names.replica('me'), body)).toEqual([]);
      expect(say(names.replica('me'), stranger.messages.ask('me', body)?.message)).toEqual([]);
    }
    for (const garbage of ['', 'x', '[]', '{"ask":"all"}'])
      expect(say(names.replica('me'), garbage)).toEqual([]);
    expect(did).toEqual(['malformed', 'malformed', 'malformed', 'malformed']);
    expect(me.ignored).toHaveLength(6);
    // Nothing was promised, so the attempt can be made.
    const inHand = attempts.take('i', 'c', 1, 5);
    expect(inHand && attempts.begin(inHand)).toBe(true);
  });

  it('with a huge token calls off no attempt that has not begun', () => {
    const { other, attempts, say } = pair();
    const inHand = attempts.take('i', 'c', 1, 5)!;
    expect(say(names.replica('me'), { ...RUNS, fencingToken: 2 ** 53 - 1 })).toEqual([]);
    const { message } = other.messages.ask('me', RUNS)!;
    const changed = { ...(message as JsonObject), fencingToken: 2 ** 53 - 1 };
    expect(say(names.replica('me'), changed)).toEqual([]);
    expect(attempts.begin(inHand)).toBe(true);
  });
});

describe('a replica of a version that seals nothing', () => {
  it('is pinged and asked to serve plainly, and is not asked about an attempt: it could not prove what it says', async () => {
    const { me, peers, sent } = pair();
    const { mac: _mac, secretIds: _ids, ...old } = record('old', []);
    me.registered = [old];
    expect(await peers.runs('old', RUNS, 100)).toBe('silent');
    expect(sent).toEqual([]);
    expect(await peers.reachable('old')).toBe(true);
    const request = { verb: 'advance', instanceId: 'i', body: '{}' } as const;
    expect(await peers.forward('old', request, 100)).toEqual({ runs: false });
    expect(sent.map(({ body }) => body)).toEqual([{ ask: 'ping' }, { ask: 'serve', ...request }]);
  });

  it('gets an answer to its plain ping while one is registered, and to nothing else', () => {
    const { me, say } = pair();
    const { mac: _mac, ...old } = record('old', []);
    me.registered = [record('other', []), old];
    expect(say(names.replica('me'), { ask: 'ping' })).toEqual([{ replicaId: 'me' }]);
    expect(say(names.replica('me'), RUNS)).toEqual([]);
    me.registered = [record('other', [])];
    expect(say(names.replica('me'), { ask: 'ping' })).toEqual([]);
  });
});

describe('a note', () => {
  const settle = names.all('settle');

  it('of a replica changes what it is about; said by anybody else, or again, it changes nothing', () => {
    const { me, other, say, did } = pair();
    const spoken: { subject: string; body: Json }[] = [];
    const notes = new Notes({
      bus: { publish: (subject, body) => void spoken.push({ subject, body }) },
      subjects: names,
      messages: other.messages,
      leases: { replicaId: 'other', registered: () => [] },
      introduce: () => undefined,
    });
    const { message } = other.messages.ask('me', { ask: 'ping' })!;
    me.messages.openQuestion(QuestionMessage.parse(message));
    notes.send({ note: 'leaving', busy: ['i'] });
    notes.send({ note: 'answered', keys: ['advance/i/q'] });
    notes.send({ note: 'placed', instanceId: 'i', to: 'me', forMs: 5, why: 'no handler' });
    notes.send({ note: 'due' });
    notes.send({ note: 'settle', instanceId: 'i' });
    const hear = (): void => {
      for (const { subject, body } of spoken)
        say(subject, body, subject === names.settle('i') ? settle : subject);
    };
    for (const { subject, body } of spoken) {
      const { mac: _, ...plain } = body as JsonObject;
      say(subject, plain, subject === names.settle('i') ? settle : subject);
    }
    expect(did).toEqual([]);
    hear();
    const changes = [
      'draining other',
      'answered advance/i/q by other',
      'heard other',
      'placed i',
      'due',
      'take settle/i',
    ];
    expect(did).toEqual(changes);
    hear();
    expect(did).toEqual(changes);
    // About another instance it is another note.
    const { body } = spoken.at(-1)!;
    say(names.settle('j'), body, settle);
    expect(did).toEqual(changes);
    expect(me.ignored.filter((reason) => reason.endsWith(' missing'))).toHaveLength(5);
    expect(me.ignored.filter((reason) => reason.endsWith(' replayed'))).toHaveLength(5);
    expect(me.ignored.at(-1)).toBe('settle wrong_mac');
  });
});
