import { describe, expect, it } from 'vitest';

import { agentOn, FakeBus, never, options, receipt, status } from './fake-bus.ts';

describe('an advance', () => {
  it('gives up at its timeout, and says that it may still have run', async () => {
    const bus = new FakeBus((verb) => (verb === 'status' ? status() : never));
    const answer = await agentOn(bus).advance('i', { ...options, timeoutMs: 1_000 });
    expect(answer).toMatchObject({ outcome: 'unavailable', requestId: 'q' });
    expect(answer.error?.message).toMatch(
      /may still have run, so ask again with the same request id/,
    );
    expect(bus.count('advance')).toBe(1);
    expect(bus.count('status')).toBeGreaterThan(1);
  });

  it('keeps waiting for a run that began before the request expired', async () => {
    const bus = new FakeBus((verb, nth) => {
      if (verb === 'advance') return { kind: 'disconnected' };
      if (nth < 5) {
        return status({
          inFlight: { cellId: 'c', attempt: 1, requestId: 'q', since: '2030-01-01T00:00:00Z' },
        });
      }
      return status({ receipt });
    });
    const answer = await agentOn(bus).advance('i', { ...options, expiresInMs: 30 });
    expect(answer.outcome).toBe('completed');
    expect(bus.count('status')).toBe(5);
  });

  it('ends once it has expired and the replicas know nothing of it', async () => {
    const bus = new FakeBus((verb) => (verb === 'status' ? status() : { kind: 'disconnected' }));
    const answer = await agentOn(bus).advance('i', {
      ...options,
      expiresInMs: 30,
      timeoutMs: 60_000,
    });
    expect(answer).toMatchObject({ outcome: 'unavailable' });
    expect(bus.count('status')).toBeGreaterThanOrEqual(2);
  });

  it('sends nothing after the expiry, and the same body each time before it', async () => {
    const bus = new FakeBus(() => ({ kind: 'no_responders' }));
    await agentOn(bus).advance('i', { ...options, expiresInMs: 400 });
    const bodies = bus.sent
      .filter(({ verb }) => verb === 'advance')
      .map(({ body }) => JSON.stringify(body));
    expect(bodies.length).toBeGreaterThan(1);
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({ requestId: 'q', agentId: 'tester' });
  });

  it('stops at once when its signal aborts or the agent is closed', async () => {
    const stop = new AbortController();
    const agent = agentOn(new FakeBus(() => never));
    const first = agent.advance('i', { ...options, signal: stop.signal });
    const second = agent.advance('i', options);
    stop.abort();
    expect((await first).error?.message).toContain('waiting was stopped');
    await agent.close();
    expect((await second).outcome).toBe('unavailable');
  });

  it.each([
    [{ cellId: 'a b' }, 'cellId'],
    [{ maxCells: 0 }, 'maxCells'],
    [{ requestId: 'a.b' }, 'requestId'],
    [{ expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ expiresAt: new Date(Number.NaN) }, 'expiresAt'],
    [{ expiresAt: '2030-01-01T00:00:00Z', expiresInMs: 1 }, 'expiresInMs'],
  ])(
    'returns an invalid receipt that names the field for %j, and sends nothing',
    async (wrong, field) => {
      const bus = new FakeBus(() => never);
      expect(await agentOn(bus).advance('i', wrong)).toMatchObject({
        outcome: 'invalid',
        error: { field },
      });
      expect(bus.sent).toEqual([]);
    },
  );
});
