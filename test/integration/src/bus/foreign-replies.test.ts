import { describe, expect, it } from 'vitest';

import { Agent } from '../../../../src/agent/agent.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import { freshNamespace } from '../../../harness/servers.ts';
import { openBus, rawNats, until } from '../nats-fixture.ts';

const encoded = (body: object): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

const receiptFor = (requestId: string, instanceId: string, outcome: string) => ({
  requestId,
  instanceId,
  outcome,
  steps: [],
  nextCellId: null,
  holder: null,
});

describe('a client that knows where one reply went', () => {
  it('cannot forge the reply to another request', async () => {
    const names = subjects(freshNamespace());
    const [bus, hostile] = [await openBus(), await rawNats()];
    const agent = new Agent(bus, { agentId: 'victim', namespace: names.start.split('.')[1] ?? '' });
    const seen: string[] = [];
    const requests = hostile.subscribe(names.all('advance'), {
      callback(_error, message) {
        seen.push(message.reply ?? '');
        if (seen.length > 1) return;
        message.respond(encoded(receiptFor('q-1', 'i-1', 'completed')));
      },
    });
    await hostile.flush();
    await agent.advance('i-1', { requestId: 'q-1' });
    // From now on it sees no request, and guesses.
    requests.unsubscribe();
    const known = seen[0] ?? '';
    const [inbox, last] = [known.slice(0, known.lastIndexOf('.') + 1), known.split('.').at(-1)];
    const guesses = [
      ...Array.from({ length: 500 }, (_, n) => `${inbox}${n.toString(36)}`),
      ...Array.from({ length: 500 }, (_, n) => `${inbox}${n}`),
      `${inbox}${last}`,
      `${inbox}${last}1`,
      inbox.slice(0, -1),
    ];
    // The genuine replica answers after the forgeries.
    const replica = await openBus();
    replica.subscribe(names.all('advance'), async (message) => {
      for (const guess of guesses)
        hostile.publish(guess, encoded(receiptFor('q-2', 'i-1', 'halted')));
      await hostile.flush();
      message.reply(receiptFor('q-2', 'i-1', 'completed'));
    });
    await replica.flush();
    expect(await agent.advance('i-1', { requestId: 'q-2' })).toMatchObject({
      requestId: 'q-2',
      outcome: 'completed',
    });
  });
});

describe('a reply that names other ids than the request', () => {
  it('is ignored, and the genuine one is awaited', async () => {
    const names = subjects(freshNamespace());
    const warnings: string[] = [];
    const [bus, replica] = [await openBus({ warnings }), await openBus()];
    const agent = new Agent(bus, { agentId: 'victim', namespace: names.start.split('.')[1] ?? '' });
    const status = { version: 1, status: 'ready', nextCellId: null, holder: null, lastSeq: 0 };
    const replies: Record<string, [subject: string, foreign: object[], genuine: object]> = {
      advance: [
        names.all('advance'),
        [
          receiptFor('q', 'other', 'completed'),
          receiptFor('other', 'i', 'completed'),
          { ...receiptFor('q', 'i', 'completed'), requestId: null },
        ],
        receiptFor('q', 'i', 'advanced'),
      ],
      decide: [
        names.all('decide'),
        [{ instanceId: 'other', seq: 3, as: 'rerun' }],
        { instanceId: 'i', seq: 4, as: 'rerun' },
      ],
      claim: [
        names.all('claim'),
        [{ claimId: 'other', revision: 1, status: 'ok' }],
        { claimId: 'c', revision: 2, status: 'ok' },
      ],
      start: [
        names.start,
        [
          { instanceId: 'other', runbookId: 'r', version: 1, created: true },
          { instanceId: 'i', runbookId: 'other', version: 1, created: true },
        ],
        { instanceId: 'i', runbookId: 'r', version: 1, created: false },
      ],
      status: [
        names.all('status'),
        [
          { ...status, instanceId: 'other', runbookId: 'r', cells: [] },
          {
            ...status,
            instanceId: 'i',
            runbookId: 'r',
            cells: [],
            receipt: receiptFor('other', 'i', 'completed'),
          },
        ],
        { ...status, instanceId: 'i', runbookId: 'r', cells: [] },
      ],
    };
    for (const [subject, foreign, genuine] of Object.values(replies)) {
      replica.subscribe(subject, (message) => {
        for (const body of [...foreign, genuine]) message.reply(body as never);
      });
    }
    await replica.flush();
    expect(await agent.advance('i', { requestId: 'q' })).toEqual(replies['advance']?.[2]);
    expect(await agent.decide('i', { cellId: 'a', attempt: 1, as: 'rerun', reason: 'x' })).toEqual(
      replies['decide']?.[2],
    );
    expect(await agent.claim('c', { status: 'ok' })).toEqual(replies['claim']?.[2]);
    expect(await agent.start('i', { runbookId: 'r' })).toEqual(replies['start']?.[2]);
    expect(await agent.status('i', { requestId: 'q' })).toEqual(replies['status']?.[2]);
    // Said once, with what follows counted.
    expect(warnings).toEqual([expect.stringMatching(/^ignored a reply to .*\.advance\.i that/)]);
  });

  it('does not count as an event of the instance whose subject it is on', async () => {
    const names = subjects(freshNamespace());
    const [bus, hostile] = [await openBus(), await rawNats()];
    const warnings: string[] = [];
    const agent = new Agent(bus, {
      agentId: 'victim',
      namespace: names.start.split('.')[1] ?? '',
      onWarning: (message) => void warnings.push(message),
    });
    const got: string[] = [];
    agent.onEvent(undefined, (event) => void got.push(event.instanceId));
    await agent.flush();
    for (const instanceId of ['b', 'a'])
      hostile.publish(names.event('a'), encoded({ instanceId, rows: [], status: 'ready' }));
    await until(() => got.length > 0);
    expect(got).toEqual(['a']);
    expect(warnings).toEqual([expect.stringContaining('it is about another instance')]);
  });
});

describe('the prefix of an inbox', () => {
  it('is where replies arrive', async () => {
    const names = subjects(freshNamespace());
    const [bus, replica] = [await openBus({ inboxPrefix: '_INBOX.agent-7' }), await rawNats()];
    const seen: string[] = [];
    replica.subscribe(names.start, {
      callback(_error, message) {
        seen.push(message.reply ?? '');
        message.respond(encoded({ ok: true }));
      },
    });
    await replica.flush();
    for (let i = 0; i < 2; i += 1)
      expect(await bus.request(names.start, {}, 2_000)).toMatchObject({ kind: 'reply' });
    expect(seen).toEqual(
      seen.map(() => expect.stringMatching(/^_INBOX\.agent-7\.[\w-]{32}\.[\w-]{16}$/)),
    );
    expect(new Set(seen).size).toBe(2);
  });
});
