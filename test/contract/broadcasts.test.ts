import { setTimeout as sleep } from 'node:timers/promises';

import { createInbox } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { TestCluster } from '../harness/replicas.ts';
import { push, two } from './runbooks.ts';
import { ErrorReply, Receipt, read } from './shapes.ts';

let cluster: TestCluster;

beforeAll(async () => {
  // The rank of the replicas must not change meanwhile: long sessions survive a replica that gets
  // no CPU time.
  cluster = await TestCluster.start({ replicas: 3, ttlS: 30 });
  await push(cluster, two);
  await cluster.start('there', 'two');
});

afterAll(() => cluster?.stop());

/** How long to wait for a second answer after the first: its absence has no signal. */
const SECOND_ANSWER_MS = 1_000;

interface Sent {
  what: string;
  subject: string;
  body: unknown;
}

/** Sends each message with its own reply inbox, and returns all answers that arrive there. */
async function answersTo(messages: Sent[]): Promise<{ what: string; answers: unknown[] }[]> {
  const sent = messages.map(({ what, subject, body }) => {
    const answers: unknown[] = [];
    const inbox = createInbox();
    let first = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      first = resolve;
    });
    const subscription = cluster.nats.subscribe(inbox, {
      callback: (_error, message) => {
        answers.push(message.data.length === 0 ? 'no responders' : message.json());
        first();
      },
    });
    return { what, subject, body, inbox, answers, answered, subscription };
  });
  for (const { subject, body, inbox } of sent) {
    const data =
      body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body);
    cluster.nats.publish(subject, data, { reply: inbox });
  }
  await Promise.all(sent.map(({ answered }) => answered));
  await sleep(SECOND_ANSWER_MS);
  for (const { subscription } of sent) subscription.unsubscribe();
  return sent.map(({ what, answers }) => ({ what, answers }));
}

const tooLong = 'x'.repeat(129);
/** Values that are not ids. */
const NO_IDS = ['', 'a b', 'a.b', 'a*', '>', 'ä', 'a/b', 'a\nb', tooLong, 7, null, ['a'], { a: 1 }];

function malformed(
  valid: Record<string, unknown>,
  wrong: Record<string, unknown[]>,
): [string, unknown][] {
  const { [Object.keys(valid)[0] ?? '']: _first, ...missing } = valid;
  return [
    ['nothing', ''],
    ['no JSON', '{"agentId":'],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
    ['a NUL', JSON.stringify({ ...valid, agentId: 'a\0b' })],
    ['null', 'null'],
    ['a list', [valid]],
    ['a text', '"advance"'],
    ['a field too few', missing],
    ['a field too many', { ...valid, colour: 'red' }],
    ['a huge field', { ...valid, agentId: 'x'.repeat(700_000) }],
    ...Object.entries(wrong).flatMap(([field, values]) =>
      values.map((value, index): [string, unknown] => [
        `${field} #${index}: ${JSON.stringify(value)?.slice(0, 20)}`,
        { ...valid, [field]: value },
      ]),
    ),
  ];
}

/** The field that the answer to a malformed message must name; undefined if any field will do. */
function wrongField(what: string, wrong: object): string | undefined {
  if (what === 'a field too many') return 'colour';
  const field = what.split(' #')[0] ?? '';
  return Object.hasOwn(wrong, field) ? field : undefined;
}

const ADVANCE = { requestId: 'broken', agentId: 'tester' };
const DECIDE = { agentId: 'tester', cellId: 'first', attempt: 1, as: 'rerun', reason: 'because' };
const CANCEL = { agentId: 'tester', reason: 'because' };
const START = { instanceId: 'unborn', runbookId: 'two', inputs: {}, agentId: 'tester' };
const CLAIM = { status: 'approved', agentId: 'tester' };

describe.concurrent('a malformed broadcast', () => {
  it('is answered once by three replicas, with an invalid receipt (advance)', async () => {
    const wrong = {
      requestId: NO_IDS,
      agentId: NO_IDS,
      cellId: NO_IDS,
      maxCells: [0, -1, 1.5, '1', null],
      wait: ['true', 1, null],
      expiresAt: ['tomorrow', 1e12, null, '2030-01-01'],
    };
    const messages = malformed(ADVANCE, wrong).map(([what, body]) => ({
      what,
      subject: cluster.subject('advance', 'there'),
      body,
    }));
    const results = await answersTo(messages);
    expect(results.length).toBeGreaterThan(50);
    for (const { what, answers } of results) {
      expect(answers.length, `answers to ${what}: ${JSON.stringify(answers)}`).toBe(1);
      const receipt = read(Receipt, answers[0]);
      expect(receipt, `sent: ${what}`).toMatchObject({ outcome: 'invalid', instanceId: 'there' });
      expect([null, 'broken'], `sent: ${what}`).toContain(receipt.requestId);
      expect(receipt.error?.field, `sent: ${what}`).toBe(
        wrongField(what, wrong) ?? receipt.error?.field,
      );
    }
    expect(await cluster.rows('there')).toEqual([]);
  });

  it.each([
    [
      'decide',
      DECIDE,
      {
        agentId: NO_IDS,
        cellId: NO_IDS,
        attempt: [0, -1, 1.5, '1', null],
        as: ['perhaps', '', null, 1],
        reason: ['', 1, null],
      },
    ],
    [
      'cancel',
      CANCEL,
      { agentId: NO_IDS, reason: ['', 1, null], undo: ['true', 1, null], children: [0, null] },
    ],
  ])('is answered once by three replicas, with an error (%s)', async (verb, valid, wrong) => {
    const messages = malformed(valid, wrong).map(([what, body]) => ({
      what,
      subject: cluster.subject(verb, 'there'),
      body,
    }));
    for (const { what, answers } of await answersTo(messages)) {
      expect(answers.length, `answers to ${what}: ${JSON.stringify(answers)}`).toBe(1);
      const { error } = read(ErrorReply, answers[0]);
      expect(error.code, `sent: ${what}`).toBe('invalid');
      expect(error.field, `sent: ${what}`).toBe(wrongField(what, wrong) ?? error.field);
    }
  });

  it('is answered once when the instance in the subject is not an id', async () => {
    const rests = ['a.b', 'ä', 'a$b', 'a/b', tooLong, 'a:b'];
    const messages = rests.flatMap((rest) => [
      { what: `advance ${rest}`, subject: cluster.subject('advance', rest), body: ADVANCE },
      { what: `decide ${rest}`, subject: cluster.subject('decide', rest), body: DECIDE },
      { what: `cancel ${rest}`, subject: cluster.subject('cancel', rest), body: CANCEL },
    ]);
    for (const { what, answers } of await answersTo(messages)) {
      expect(answers.length, `answers to ${what}: ${JSON.stringify(answers)}`).toBe(1);
      const [answer] = answers;
      const { error } = what.startsWith('advance')
        ? read(Receipt, answer)
        : read(ErrorReply, answer);
      expect(error?.code, `sent: ${what}`).toBe('invalid');
    }
  });
});

describe.concurrent('a malformed request to any one replica', () => {
  it.each([
    [
      'start',
      'start',
      START,
      {
        instanceId: NO_IDS,
        runbookId: NO_IDS,
        agentId: NO_IDS,
        version: [0, '1', null, 1.5],
        inputs: [null, [], 'x', 1],
      },
    ],
    ['status', 'status.there', {}, { log: ['true', 1, null], requestId: NO_IDS }],
    ['claim', 'claim.approval', CLAIM, { agentId: NO_IDS, status: ['', 1, null] }],
  ] as const)(
    'is answered once, with an error that names the field (%s)',
    async (_verb, subject, valid, wrong) => {
      const lists = Object.fromEntries(
        Object.entries(wrong).map(([field, values]) => [field, [...values]]),
      );
      const messages = malformed(valid, lists)
        // A status request has no required field.
        .filter(([what]) => !(subject.startsWith('status') && what === 'a field too few'))
        .map(([what, body]) => ({ what, subject: cluster.subject(subject), body }));
      for (const { what, answers } of await answersTo(messages)) {
        expect(answers.length, `answers to ${what}: ${JSON.stringify(answers)}`).toBe(1);
        const { error } = read(ErrorReply, answers[0]);
        expect(error.code, `sent: ${what}`).toBe('invalid');
        expect(error.field, `sent: ${what}`).toBe(wrongField(what, wrong) ?? error.field);
      }
    },
  );

  it('is answered once when the id in the subject is not an id', async () => {
    const messages = ['a.b', 'ä', tooLong].flatMap((rest) => [
      { what: `status ${rest}`, subject: cluster.subject('status', rest), body: {} },
      { what: `claim ${rest}`, subject: cluster.subject('claim', rest), body: CLAIM },
    ]);
    for (const { what, answers } of await answersTo(messages)) {
      expect(answers.length, `answers to ${what}`).toBe(1);
      expect(read(ErrorReply, answers[0]).error.code, `sent: ${what}`).toBe('invalid');
    }
  });
});

describe.concurrent('a valid request', () => {
  it('is answered once, whatever was sent before; ids may use every allowed character up to the longest length', async (context) => {
    const machine = await watchMachine();
    const longest = `${'Zz-_09'.repeat(21)}AB`;
    expect(longest).toHaveLength(128);
    await cluster.start(longest, 'two');
    const requests = [
      {
        what: 'advance',
        subject: cluster.subject('advance', longest),
        body: { requestId: longest, agentId: longest },
      },
      { what: 'nowhere', subject: cluster.subject('advance', 'nowhere'), body: ADVANCE },
      {
        what: 'expired',
        subject: cluster.subject('advance', 'there'),
        body: { ...ADVANCE, expiresAt: '2020-01-01T00:00:00Z' },
      },
      { what: 'decide', subject: cluster.subject('decide', 'there'), body: DECIDE },
      { what: 'cancel', subject: cluster.subject('cancel', 'nowhere'), body: CANCEL },
      { what: 'status', subject: cluster.subject('status', longest), body: { requestId: longest } },
      { what: 'claim', subject: cluster.subject('claim', longest), body: CLAIM },
    ];
    const results = await answersTo(requests);
    expect(read(Receipt, results[0]?.answers[0])).toMatchObject({
      requestId: longest,
      outcome: 'completed',
    });
    expect(read(Receipt, results[2]?.answers[0]).outcome).toBe('expired');
    // If a holder is silent for half a second, another replica sends it the request again and
    // forwards its answer: the same answer, twice.
    for (const { what, answers } of results) {
      for (const answer of answers) expect(answer, `answers to ${what}`).toEqual(answers[0]);
    }
    machine.skipIfBusy(context);
    expect(results.map(({ what, answers }) => [what, answers.length])).toEqual(
      requests.map(({ what }) => [what, 1]),
    );
  });
});
