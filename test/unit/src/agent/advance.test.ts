import { describe, expect, it } from 'vitest';

import { Agent } from '../../../../src/agent/agent.ts';
import type { Bus, BusReply } from '../../../../src/bus/bus.ts';
import type { Json } from '../../../../src/json.ts';
import { HolderCache } from '../../../../src/request/holder-cache.ts';

type Answer = BusReply | Promise<BusReply>;

/** A bus on which the test answers the requests. */
class FakeBus implements Bus {
  up = true;
  readonly asked: { verb: string; subject: string; body: Json; timeoutMs: number }[] = [];
  readonly #answer: (verb: string, nth: number) => Answer;

  constructor(answer: (verb: string, nth: number) => Answer) {
    this.#answer = answer;
  }

  async request(subject: string, body: Json, timeoutMs: number): Promise<BusReply> {
    const verb = subject.split('.')[2] ?? '';
    this.asked.push({ verb, subject, body, timeoutMs });
    return this.#answer(verb, this.count(verb));
  }

  count(verb: string): number {
    return this.asked.filter((one) => one.verb === verb).length;
  }

  connected(): boolean {
    return this.up;
  }

  publish(): void {}
  subscribe() {
    return { unsubscribe: () => {} };
  }
  async flush(): Promise<void> {}
  async close(): Promise<void> {
    this.up = false;
  }
}

const never = new Promise<BusReply>(() => {});
const receipt = {
  requestId: 'q',
  instanceId: 'i',
  outcome: 'completed',
  steps: [],
  nextCellId: null,
  holder: null,
} satisfies Json;
const status = (more: { [key: string]: Json } = {}): BusReply => ({
  kind: 'reply',
  body: {
    instanceId: 'i',
    runbookId: 'r',
    version: 1,
    status: 'ready',
    nextCellId: 'c',
    holder: null,
    lastSeq: 0,
    cells: [],
    ...more,
  },
});
const options = { requestId: 'q', pollMs: 20, askAgainMs: 10_000 };

const agentOn = (bus: Bus) => new Agent(bus, { agentId: 'tester' });

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
    const bodies = bus.asked
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
      expect(bus.asked).toEqual([]);
    },
  );
});

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
    bus.asked.length = 0;
    return { bus, agent };
  }
  const subjectsOf = (bus: FakeBus): string[] => bus.asked.map(({ subject }) => subject);

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
  ])('asks all at once where that one %s, with the very same body', async (_what, answer) => {
    const { bus, agent } = await knowing((verb) =>
      verb === 'replica' ? answer : from('r-00000002'),
    );
    const receiptOfAnother = await agent.advance('i', {
      ...unpolled,
      askAgainMs: 60_000,
    });
    expect(receiptOfAnother.holder?.replicaId).toBe('r-00000002');
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL]);
    expect(bus.asked[1]?.body).toEqual(bus.asked[0]?.body);
    await agent.advance('i', unpolled);
    expect(subjectsOf(bus)[2]).toBe('leasehold.default.replica.r-00000002.advance.i');
  });

  it('broadcasts when the holder is silent, and still accepts its reply', async () => {
    let tell = (_reply: BusReply): void => undefined;
    const reply = new Promise<BusReply>((resolve) => (tell = resolve));
    const { bus, agent } = await knowing((verb) => {
      if (verb === 'replica') return reply;
      setTimeout(() => tell(from('r-00000001')), 20);
      return never;
    });
    const answer = await agent.advance('i', unpolled);
    expect(answer.holder?.replicaId).toBe('r-00000001');
    expect(subjectsOf(bus)).toEqual([HOLDER, ALL]);
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

describe('other requests', () => {
  it('are repeated where repeating changes nothing', async () => {
    const bus = new FakeBus((_verb, nth) => (nth === 1 ? { kind: 'timeout' } : status()));
    expect((await agentOn(bus).status('i')).status).toBe('ready');
    expect(bus.asked).toHaveLength(2);
  });

  it('do not claim or decide twice when the first may have arrived', async () => {
    const bus = new FakeBus(() => ({ kind: 'disconnected' }));
    const agent = agentOn(bus);
    await expect(agent.claim('c', { status: 'ok' })).rejects.toThrow(/may have arrived/);
    expect(bus.asked).toHaveLength(1);
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
    expect(bus.asked).toEqual([]);
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
