import { describe, expect, it } from 'vitest';

import type { BusReply } from '../../../../src/bus/bus.ts';
import { HolderCache } from '../../../../src/request/holder-cache.ts';
import { agentOn, FakeBus, never, options, receipt, type Answer } from './fake-bus.ts';

describe('sending to the holder first', () => {
  const ALL = 'leasehold.default.advance.i';
  const HOLDER = 'leasehold.default.replica.r-00000001.advance.i';
  const from = (replicaId: string, outcome = 'advanced'): BusReply => ({
    kind: 'reply',
    body: { ...receipt, outcome, holder: { replicaId, fencingToken: 7 } },
  });
  /** The tests count what is sent: no status request comes in between, however slow the machine. */
  const unpolled = { ...options, pollMs: 60_000 };
  const declined: BusReply = {
    kind: 'reply',
    body: { error: { code: 'conflict', message: 'not mine' } },
  };

  /** An agent that knows a holder, and its bus, which records only the requests after that. */
  async function knowing(
    answer: (verb: string, nth: number) => Answer,
    first = from('r-00000001'),
  ) {
    let known = false;
    const bus = new FakeBus((verb, nth) => (known ? answer(verb, nth) : first));
    const agent = agentOn(bus);
    await agent.advance('i', unpolled);
    known = true;
    bus.sent.length = 0;
    return { bus, agent };
  }
  const subjectsOf = (bus: FakeBus): string[] => bus.sent.map(({ subject }) => subject);

  it('sends the next request only to the replica that answered the last', async () => {
    const { bus, agent } = await knowing(() => from('r-00000001'));
    expect((await agent.advance('i', unpolled)).outcome).toBe('advanced');
    expect((await agent.advance('i', unpolled)).outcome).toBe('advanced');
    expect(subjectsOf(bus)).toEqual([HOLDER, HOLDER]);
  });

  it('broadcasts when it knows no holder of the instance', async () => {
    const { bus, agent } = await knowing(() => from('r-00000001'));
    await agent.advance('other', unpolled);
    expect(subjectsOf(bus)).toEqual(['leasehold.default.advance.other']);
  });

  it.each([
    ['declines', declined],
    ['is gone', { kind: 'no_responders' } as const],
  ])('broadcasts at once, with the same body, when that replica %s', async (_what, answer) => {
    const { bus, agent } = await knowing((verb) =>
      verb === 'replica' ? answer : from('r-00000002'),
    );
    const receiptOfAnother = await agent.advance('i', {
      ...unpolled,
      askAgainMs: 60_000,
    });
    expect(receiptOfAnother.holder?.replicaId).toBe('r-00000002');
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL]);
    expect(bus.sent[1]?.body).toEqual(bus.sent[0]?.body);
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)[2]).toBe('leasehold.default.replica.r-00000002.advance.i');
  });

  it('broadcasts when the holder is silent, and still accepts its reply', async () => {
    let deliver = (_reply: BusReply): void => undefined;
    const reply = new Promise<BusReply>((resolve) => (deliver = resolve));
    const { bus, agent } = await knowing((verb) => {
      if (verb === 'replica') return reply;
      setTimeout(() => deliver(from('r-00000001')), 20);
      return never;
    });
    const answer = await agent.advance('i', unpolled);
    expect(answer.holder?.replicaId).toBe('r-00000001');
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL]);
  });

  it('does not go to a silent holder again whose receipt another replica sends', async () => {
    const { bus, agent } = await knowing((verb) =>
      verb === 'replica' ? never : from('r-00000001'),
    );
    expect((await agent.advance('i', unpolled)).holder?.replicaId).toBe('r-00000001');
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL, ALL]);
  });

  it('does not broadcast a second time when a silent holder declines in the end', async () => {
    let decline = (_reply: BusReply): void => undefined;
    const reply = new Promise<BusReply>((resolve) => (decline = resolve));
    const { bus, agent } = await knowing((verb) => {
      if (verb === 'replica') return reply;
      decline(declined);
      return new Promise((resolve) => setTimeout(() => resolve(from('r-00000002')), 50));
    });
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL]);
  });

  it('sends nothing directly once the server has forbidden it', async () => {
    const { bus, agent } = await knowing((verb) =>
      verb === 'replica' ? { kind: 'disconnected' } : from('r-00000001'),
    );
    await agent.advance('i', unpolled);
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL, ALL]);
  });

  it.each([
    ['the instance has ended', from('r-00000001', 'completed')],
    ['nobody holds it', { kind: 'reply', body: receipt } as const],
  ])('keeps no holder when %s', async (_what, first) => {
    const { bus, agent } = await knowing(() => from('r-00000001'), first);
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)).toEqual([ALL]);
  });

  it('keeps the holder when no reply came in time', async () => {
    const { bus, agent } = await knowing((_verb, nth) => (nth === 1 ? never : from('r-00000001')));
    const silent = await agent.advance('i', { ...unpolled, timeoutMs: 50 });
    expect(silent.outcome).toBe('unavailable');
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)).toEqual([HOLDER, HOLDER]);
  });

  it('remembers the newest ten thousand holders', () => {
    const holders = new HolderCache();
    const learn = (nth: number): void =>
      holders.learn({
        instanceId: `i${nth}`,
        holder: { replicaId: 'r', fencingToken: 1 },
        outcome: 'advanced',
      });
    for (let nth = 0; nth <= 10_000; nth += 1) learn(nth);
    expect([holders.of('i0'), holders.of('i1'), holders.of('i10000')]).toEqual([
      undefined,
      'r',
      'r',
    ]);
  });
});
