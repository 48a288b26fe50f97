import { describe, expect, it } from 'vitest';

import { Agent } from '../../../../src/agent/agent.ts';
import type { BusReply } from '../../../../src/bus/bus.ts';
import { agentOn, FakeBus, never, status } from './fake-bus.ts';

describe('other requests', () => {
  it.each(['start', 'status'] as const)(
    '%s is sent again after a second of silence, and the first reply counts',
    async (verb) => {
      const started = { instanceId: 'i', runbookId: 'r', version: 1, created: true };
      const reply = verb === 'start' ? { kind: 'reply' as const, body: started } : status();
      const bus = new FakeBus((_verb, nth) => (nth === 1 ? never : reply));
      const sinceMs = performance.now();
      const agent = agentOn(bus);
      await (verb === 'start' ? agent.start('i', { runbookId: 'r' }) : agent.status('i'));
      expect(bus.sent).toHaveLength(2);
      expect(bus.sent[1]?.body).toEqual(bus.sent[0]?.body);
      expect(performance.now() - sinceMs).toBeGreaterThan(950);
      expect(performance.now() - sinceMs).toBeLessThan(2_500);
    },
  );

  it('take the late answer of a slow replica', async () => {
    const late = new Promise<BusReply>((resolve) => setTimeout(() => resolve(status()), 1_500));
    const bus = new FakeBus((_verb, nth) => (nth === 1 ? late : never));
    expect((await agentOn(bus).status('i')).status).toBe('ready');
    expect(bus.sent).toHaveLength(2);
  });

  it('decide and claim are not sent again while they may be under way', async () => {
    const bus = new FakeBus(() => never);
    const agent = agentOn(bus);
    void agent.claim('c', { status: 'ok' }).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(bus.sent).toHaveLength(1);
  });

  it('name their size when the server takes less', async () => {
    const why = 'a request of 70000 bytes to leasehold.default.start exceeds the limit of 65536';
    const bus = new FakeBus(() => Promise.reject(new RangeError(why)));
    await expect(agentOn(bus).start('i', { runbookId: 'r' })).rejects.toMatchObject({
      code: 'invalid',
      message: why,
    });
  });

  it('are sent again where sending twice is harmless', async () => {
    const bus = new FakeBus((_verb, nth) => (nth === 1 ? { kind: 'timeout' } : status()));
    expect((await agentOn(bus).status('i')).status).toBe('ready');
    expect(bus.sent).toHaveLength(2);
  });

  it('do not claim or decide twice when the first may have arrived', async () => {
    const bus = new FakeBus(() => ({ kind: 'disconnected' }));
    const agent = agentOn(bus);
    await expect(agent.claim('c', { status: 'ok' })).rejects.toThrow(/may have arrived/);
    expect(bus.sent).toHaveLength(1);
  });

  it('claim again when no replica can have received it', async () => {
    const bus = new FakeBus((_verb, nth) =>
      nth === 1
        ? { kind: 'no_responders' }
        : { kind: 'reply', body: { claimId: 'c', revision: 1, status: 'ok' } },
    );
    expect(await agentOn(bus).claim('c', { status: 'ok' })).toEqual({
      claimId: 'c',
      revision: 1,
      status: 'ok',
    });
  });

  it('are checked by the rules of the replicas before anything is sent', async () => {
    const bus = new FakeBus(() => never);
    const agent = agentOn(bus);
    const large = { status: 'ok', evidence: 'x'.repeat(600_000) };
    await expect(agent.claim('c', large)).rejects.toMatchObject({ code: 'invalid' });
    await expect(agent.claim('c', { status: '' })).rejects.toMatchObject({
      code: 'invalid',
      field: 'status',
    });
    await expect(agent.start('i', { runbookId: '*' })).rejects.toMatchObject({
      code: 'invalid',
      field: 'runbookId',
    });
    const decision = { cellId: 'c', attempt: 1, as: 'rerun', reason: 'x', output: 1 } as const;
    await expect(agent.decide('i', decision)).rejects.toMatchObject({
      code: 'invalid',
      field: 'output',
    });
    expect(bus.sent).toEqual([]);
  });

  it('report unavailable for a reply of the wrong shape', async () => {
    const bus = new FakeBus(() => ({ kind: 'reply', body: { revision: 'one' } }));
    await expect(agentOn(bus).claim('c', { status: 'ok' })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });

  it('reject a malformed agent id or namespace', () => {
    const bus = new FakeBus(() => never);
    expect(() => new Agent(bus, { agentId: 'a b' })).toThrow(/agentId/);
    expect(() => new Agent(bus, { agentId: 'a', namespace: '>' })).toThrow(/namespace/);
  });
});
