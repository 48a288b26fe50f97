import { describe, expect, it } from 'vitest';

import { readEvent } from '../../../../src/agent/events.ts';
import type { Json } from '../../../../src/json.ts';
import { agentOn, FakeBus, never } from './fake-bus.ts';

const cycle: Record<string, unknown> = {};
cycle['again'] = cycle;

describe('what an agent sends', () => {
  it.each<[string, unknown, RegExp]>([
    ['NaN', Number.NaN, /^inputs\.order\.0: NaN is not a number in JSON$/],
    ['an infinity', Number.NEGATIVE_INFINITY, /^inputs\.order\.0: -Infinity is not/],
    ['a BigInt', 12345678901234567890n, /is a BigInt.*send it as text: "12345678901234567890"$/],
    ['undefined in a list', undefined, /^inputs\.order\.0: is undefined/],
    ['a function', () => 1, /^inputs\.order\.0: is a function/],
    ['a Map', new Map([['a', 1]]), /^inputs\.order\.0: is a Map/],
    ['a value inside itself', cycle, /^inputs\.order\.0\.again.*inside itself$/],
  ])('is rejected with its field named when it has %s', async (_, value, message) => {
    const bus = new FakeBus(() => never);
    const inputs = { order: [value] } as { [name: string]: Json };
    await expect(agentOn(bus).start('i', { runbookId: 'r', inputs })).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(message) as string,
      field: expect.stringMatching(/^inputs\.order\.0/) as string,
    });
    await expect(agentOn(bus).claim('c', { status: 's', evidence: inputs })).rejects.toMatchObject({
      code: 'invalid',
      field: expect.stringMatching(/^evidence\.order\.0/) as string,
    });
    expect(bus.sent).toEqual([]);
  });

  it('may have dates and members that are undefined, as JSON writes them', async () => {
    const bus = new FakeBus(() => ({
      kind: 'reply',
      body: { claimId: 'c', revision: 1, status: 's' },
    }));
    const evidence = { at: new Date(0), none: undefined } as unknown as Json;
    await agentOn(bus).claim('c', { status: 's', evidence });
    expect(bus.sent).toMatchObject([{ body: { evidence: { at: '1970-01-01T00:00:00.000Z' } } }]);
  });
});

describe('an event', () => {
  it('with a number that cannot be kept is malformed, and the reason says where it is', () => {
    const text = '{"instanceId": "i", "rows": [], "status": "ready", "x": [12345678901234567890]}';
    expect(readEvent(new TextEncoder().encode(text), 'i')).toEqual({
      kind: 'malformed',
      why: 'the number 12345678901234567890 at /x/0 cannot be kept exactly; send it as text: "12345678901234567890"',
    });
  });
});
