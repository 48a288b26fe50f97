import { describe, expect, it } from 'vitest';

import type { BusReply } from '../../../../src/bus/bus.ts';
import { agentOn, FakeBus } from './fake-bus.ts';

const stored: BusReply = { kind: 'reply', body: { stream: 'LEASEHOLD_default_ENQUEUE', seq: 3 } };

describe('enqueueing', () => {
  it('returns where the request is stored, and under which id', async () => {
    const bus = new FakeBus(() => stored);
    const enqueued = await agentOn(bus).enqueue('i', { maxCells: 2 });
    expect(enqueued).toEqual({
      instanceId: 'i',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      stream: 'LEASEHOLD_default_ENQUEUE',
      seq: 3,
    });
    expect(bus.sent).toMatchObject([
      {
        subject: 'leasehold.default.enqueue.i',
        body: { requestId: enqueued.requestId, agentId: 'tester', maxCells: 2 },
      },
    ]);
  });

  it('does not take the acknowledgement of a stream that no replica reads for its own', async () => {
    const elsewhere: BusReply = { kind: 'reply', body: { stream: 'CAPTURE', seq: 1 } };
    await expect(agentOn(new FakeBus(() => elsewhere)).enqueue('i')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(
        'the JetStream stream CAPTURE captures leasehold.default.enqueue.i',
      ),
    });
  });

  it('sends the same request again until it is acknowledged', async () => {
    const bus = new FakeBus((_verb, nth) => (nth < 3 ? { kind: 'timeout' } : stored));
    const { requestId } = await agentOn(bus).enqueue('i');
    expect(bus.sent.map(({ body }) => body)).toEqual(
      Array.from({ length: 3 }, () => ({ requestId, agentId: 'tester' })),
    );
  });

  it.each<[string, BusReply]>([
    [
      'maximum messages',
      {
        kind: 'reply',
        body: {
          error: { code: 503, description: 'maximum messages exceeded' },
          stream: 'S',
          seq: 0,
        },
      },
    ],
    [
      'is foreign',
      { kind: 'reply', body: { error: { code: 'unavailable', message: 'stream S is foreign' } } },
    ],
  ])('says why it is not stored: %s', async (why, reply) => {
    const enqueued = agentOn(new FakeBus(() => reply)).enqueue('i', { requestId: 'q' });
    await expect(enqueued).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(new RegExp(`${why}.*requestId q`)),
    });
  });

  it.each<[string, BusReply]>([
    ['a replica creates it', { kind: 'no_responders' }],
    ['JetStream', { kind: 'timeout' }],
    ['no connection', { kind: 'disconnected' }],
  ])('gives up in time, and says what may be wrong: %s', async (why, reply) => {
    const enqueued = agentOn(new FakeBus(() => reply)).enqueue('i', { timeoutMs: 300 });
    await expect(enqueued).rejects.toThrow(why);
  });

  it.each([
    ['instanceId', 'no id', {}],
    ['requestId', 'i', { requestId: 'no id' }],
    ['maxCells', 'i', { maxCells: 0 }],
    ['expiresAt', 'i', { expiresAt: 'soon' }],
    ['expiresAt', 'i', { expiresAt: new Date(Number.NaN) }],
  ])('refuses a wrong %s before anything is sent', async (field, instanceId, options) => {
    const bus = new FakeBus(() => stored);
    const enqueued = Promise.resolve().then(() => agentOn(bus).enqueue(instanceId, options));
    await expect(enqueued).rejects.toMatchObject({ code: 'invalid', field });
    expect(bus.sent).toEqual([]);
  });
});
