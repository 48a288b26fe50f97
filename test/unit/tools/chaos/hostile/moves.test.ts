import { describe, expect, it } from 'vitest';

import { Hearsay } from '../../../../../tools/chaos/hostile/hearsay.ts';
import { forgedAnswer, MOVES } from '../../../../../tools/chaos/hostile/moves.ts';
import { Random } from '../../../../../tools/chaos/random.ts';

const ROOT = 'leasehold.test.';

function message(subject: string, body: unknown, reply?: string) {
  return { subject, reply, data: Buffer.from(JSON.stringify(body)) };
}

/** Someone who has heard one of everything. */
function listener(): Hearsay {
  const heard = new Hearsay('test');
  heard.hear(message(`${ROOT}advance.order-1`, { requestId: 'q1', agentId: 'a' }, '_INBOX.a.1'));
  heard.hear(message(`${ROOT}replica.r1-00000001`, { ask: 'ping' }, '_INBOX.r.1'));
  heard.hear(message(`${ROOT}leaving`, { replicaId: 'r1-00000001', busy: [] }));
  heard.hear(message('_INBOX.r.1', { replicaId: 'r1-00000001' }));
  heard.hear(
    message(`${ROOT}event.order-1`, {
      instanceId: 'order-1',
      rows: [
        {
          kind: 'started',
          cell_id: 'charge',
          attempt: 2,
          fencing_token: 7,
          replica_id: 'r2-00000002',
        },
      ],
    }),
  );
  return heard;
}

function contextOf(heard: Hearsay) {
  let ids = 0;
  return { root: ROOT, heard, random: new Random(1), count: () => (ids += 1) };
}

describe('the hostile client', () => {
  it('learns whom to imitate, and which attempt to attack, from what it overhears', () => {
    const heard = listener();
    expect(heard.replicas.all).toEqual(['r1-00000001', 'r2-00000002']);
    expect(heard.requests.all).toEqual([
      { instanceId: 'order-1', requestId: 'q1', reply: '_INBOX.a.1' },
    ]);
    expect(heard.attempts.all).toEqual([
      {
        instanceId: 'order-1',
        cellId: 'charge',
        attempt: 2,
        fencingToken: 7,
        replicaId: 'r2-00000002',
      },
    ]);
    expect(heard.answers.all).toHaveLength(1);
    expect(heard.statements.all).toHaveLength(1);
  });

  it('makes every one of its moves once it has heard something', () => {
    const context = contextOf(listener());
    for (const { make } of MOVES)
      expect(make(context)?.subject).toMatch(/^(leasehold\.test\.|_INBOX\.)\S+$/);
  });

  it('floods and sends garbage even if it has heard nothing', () => {
    const context = contextOf(new Hearsay('test'));
    const made = MOVES.filter(({ make }) => make(context) !== undefined).map(({ name }) => name);
    expect(made).toEqual(['flood: advance of no instance', 'flood: large start', 'garbage']);
  });

  it('answers a question between replicas at once, in the name of the one that was asked', () => {
    const question = listener().hear(
      message(`${ROOT}replica.r1-00000001`, { ask: 'runs' }, '_INBOX.r.2'),
    );
    if (question === undefined) throw new Error('the question was not recognised');
    const { subject, data } = forgedAnswer(question, new Random(1));
    expect(subject).toBe('_INBOX.r.2');
    expect(JSON.parse(data.toString())).toMatchObject({
      runs: false,
      began: false,
      replicaId: 'r1-00000001',
    });
  });

  it('is not confused by a direct advance, or by messages that are not JSON', () => {
    const heard = new Hearsay('test');
    heard.hear({
      subject: `${ROOT}replica.r1.advance.order-1`,
      reply: 'x',
      data: Buffer.from('{}'),
    });
    heard.hear({ subject: `${ROOT}event.order-1`, reply: undefined, data: Buffer.from('[') });
    heard.hear({ subject: `${ROOT}event.order-1`, reply: undefined, data: Buffer.from('7') });
    expect(heard.questions.all).toEqual([]);
    expect(heard.attempts.all).toEqual([]);
  });
});
