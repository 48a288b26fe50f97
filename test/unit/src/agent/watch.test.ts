import { describe, expect, it } from 'vitest';

import { RowsQuery } from '../../../../advancer/intake/rows-query.ts';
import { Agent } from '../../../../src/agent/agent.ts';
import type { BusMessage, BusReply } from '../../../../src/bus/bus.ts';
import type { Row } from '../../../../src/execution/row.ts';
import type { Json } from '../../../../src/json.ts';
import type { RowsMessage } from '../../../../src/request/rows.ts';
import { SimRowPages } from '../../../simulation/sim-row-pages.ts';
import { HandClock, settled } from '../../coordinator/hand-clock.ts';
import { FakeBus } from './fake-bus.ts';

/** A bus with one replica, which answers `rows` from a log in memory while it is there. */
class RowsBus extends FakeBus {
  readonly log = new SimRowPages();
  readonly #query: RowsQuery;
  readonly #listeners = new Map<string, Set<() => void>>();
  there = true;
  /** Answers the next requests instead of the replica. */
  readonly answers: BusReply[] = [];
  readonly asked: RowsMessage[] = [];

  constructor() {
    super(() => ({ kind: 'no_responders' }));
    const pages = this.log.as((_name, read) => Promise.resolve(read()));
    this.#query = new RowsQuery(pages, this);
  }

  override async request(
    subject: string,
    body: Json,
    _timeoutMs: number,
    accepts: (body: Json) => boolean = () => true,
  ): Promise<BusReply> {
    if (subject !== 'leasehold.default.rows') throw new Error(`asked on ${subject}`);
    this.asked.push(body as unknown as RowsMessage);
    const scripted = this.answers.shift();
    if (scripted !== undefined) return scripted;
    if (!this.there) return { kind: 'no_responders' };
    const reply = await this.#query.answer(body as unknown as RowsMessage);
    return accepts(reply) ? { kind: 'reply', body: reply } : { kind: 'timeout' };
  }

  override subscribe(subject = '', handler: (message: BusMessage) => void = () => undefined) {
    const listeners = this.#listeners.get(subject) ?? new Set();
    this.#listeners.set(subject, listeners);
    const listener = (): void => handler({} as BusMessage);
    listeners.add(listener);
    return { unsubscribe: () => void listeners.delete(listener) };
  }

  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Commits a row, and publishes its event unless it is lost. */
  commit(instanceId: string, seq: number, isAnnounced = true): void {
    this.log.committed.push(row(instanceId, seq));
    if (isAnnounced) this.announce(instanceId);
  }

  announce(instanceId: string): void {
    for (const subject of [`event.${instanceId}`, 'event.>']) {
      for (const listener of this.#listeners.get(`leasehold.default.${subject}`) ?? []) listener();
    }
  }
}

const row = (instanceId: string, seq: number): Row => ({
  instanceId,
  seq,
  fencingToken: 1,
  replicaId: 'r-1',
  kind: 'started',
  cellId: 'c',
  attempt: 1,
  requestId: 'q',
  agentId: 'a',
  body: {},
  recordedAt: '2030-01-31T11:00:00.000000Z',
});

function world() {
  const bus = new RowsBus();
  const clock = new HandClock();
  const warnings: string[] = [];
  const agent = new Agent(
    bus,
    { agentId: 'tester', onWarning: (message) => void warnings.push(message) },
    clock,
  );
  /** Consumes a watch, noting each row. */
  const follow = (rows: ReturnType<Agent['watch']>) => {
    const seen: string[] = [];
    const over = (async () => {
      for await (const one of rows) seen.push(`${one.instance_id}/${one.seq}`);
    })();
    return { seen, over };
  };
  return { bus, clock, agent, warnings, follow };
}

describe('a watch', () => {
  it('returns the rows that are committed from now on, each as soon as it is announced', async () => {
    const { bus, clock, agent, follow } = world();
    bus.commit('old', 1);
    const rows = agent.watch();
    await rows.begun();
    bus.commit('a', 1);
    const { seen } = follow(rows);
    await settled();
    expect(seen).toEqual(['a/1']);
    bus.commit('b', 1);
    await clock.advance(25);
    expect(seen).toEqual(['a/1', 'b/1']);
  });

  it('finds a row whose event was lost, and returns none twice for an event that came twice', async () => {
    const { bus, clock, agent, follow } = world();
    const { seen } = follow(agent.watch('i', { after: 0 }));
    await settled();
    bus.commit('i', 1, false);
    await clock.advance(2_100);
    expect(seen).toEqual(['i/1']);
    bus.announce('i');
    bus.announce('i');
    await clock.advance(2_100);
    bus.commit('i', 2);
    await clock.advance(25);
    expect(seen).toEqual(['i/1', 'i/2']);
  });

  it('answers many events with few requests', async () => {
    const { bus, clock, agent, follow } = world();
    const rows = agent.watch();
    await rows.begun();
    const { seen } = follow(rows);
    await settled();
    for (let seq = 1; seq <= 1_000; seq += 1) {
      bus.commit('i', seq);
      if (seq % 10 === 0) await clock.advance(1);
    }
    await clock.advance(100);
    expect(seen).toHaveLength(1_000);
    expect(bus.asked.length).toBeLessThan(12);
  });

  it('goes on where it was once a replica is there again, and says what it waits for', async () => {
    const { bus, clock, agent, warnings, follow } = world();
    const { seen } = follow(agent.watch(undefined, { after: 0 }));
    bus.commit('a', 1);
    await clock.advance(25);
    bus.there = false;
    bus.commit('a', 2);
    await clock.advance(60_000);
    expect(seen).toEqual(['a/1']);
    expect(warnings).toEqual([
      'no replica is listening in this namespace (rows); the watch goes on as soon as one answers',
    ]);
    bus.commit('b', 1, false);
    bus.there = true;
    await clock.advance(5_000);
    expect(seen).toEqual(['a/1', 'a/2', 'b/1']);
    expect(warnings).toHaveLength(1);
  });

  it('has a cursor after each row, from which another one goes on', async () => {
    for (const instanceId of [undefined, 'i']) {
      const { bus, clock, agent } = world();
      for (let seq = 1; seq <= 5; seq += 1) bus.commit('i', seq);
      const rows = agent.watch(instanceId, { after: 0 });
      expect(rows.cursor).toBe(0);
      for (let seq = 1; seq <= 5; seq += 1) {
        expect((await rows.next()).value).toMatchObject({ seq });
        const rest = agent.watch(instanceId, { after: rows.cursor });
        bus.commit('i', 6);
        expect((await rest.next()).value).toMatchObject({ seq: seq + 1 });
        await rest.return();
        bus.log.committed.pop();
      }
      await clock.advance(1);
    }
  });

  it('keeps one page, however far behind its consumer is', async () => {
    const { bus, clock, agent } = world();
    for (let seq = 1; seq <= 5_000; seq += 1) bus.commit('i', seq);
    const rows = agent.watch('i', { after: 0 });
    for (let seq = 1; seq <= 500; seq += 1) await rows.next();
    for (let more = 0; more < 100; more += 1) bus.announce('i');
    await clock.advance(10_000);
    expect(bus.asked).toHaveLength(1);
    await rows.next();
    expect(bus.asked).toHaveLength(2);
  });

  it('waits for an instance that is yet to be started, and says so once', async () => {
    const { bus, clock, agent, warnings, follow } = world();
    const { seen } = follow(agent.watch('late'));
    await clock.advance(10_000);
    expect(warnings).toEqual(['there is no instance late; waiting until it is started']);
    bus.commit('late', 1);
    await clock.advance(25);
    expect(seen).toEqual(['late/1']);
  });

  it('ignores a page that skips a row or is about another instance', async () => {
    const { bus, clock, agent, follow } = world();
    bus.commit('i', 1);
    const accepts: boolean[] = [];
    const request = bus.request.bind(bus);
    bus.request = (subject, body, timeoutMs, judge: (body: Json) => boolean) => {
      const wire = { instance_id: 'i', seq: 2 };
      accepts.push(
        judge({ rows: [wire] }),
        judge({ rows: [{ ...wire, instance_id: 'j', seq: 1 }] }),
        judge({ rows: [{ ...wire, seq: 1 }, wire] }),
      );
      return request(subject, body, timeoutMs, judge);
    };
    const { seen } = follow(agent.watch('i', { after: 0 }));
    await clock.advance(25);
    expect(accepts.slice(0, 3)).toEqual([false, false, true]);
    expect(seen).toEqual(['i/1']);
  });

  it('ends with the error if it cannot go on', async () => {
    const { bus, agent } = world();
    const error = { code: 'conflict', message: 'after: was restored', field: 'after' };
    bus.answers.push({ kind: 'reply', body: { error } });
    const rows = agent.watch(undefined, { after: 0 });
    await expect(rows.next()).rejects.toMatchObject({ code: 'conflict', field: 'after' });
    expect(await rows.next()).toEqual({ done: true, value: undefined });
    expect(bus.listening).toBe(0);
    expect(() => agent.watch('i', { after: 'x' })).toThrow('must be a seq of the instance');
    expect(() => agent.watch('a b')).toThrow('instanceId: must be 1 to 128 characters');
    expect(() => agent.watch(undefined, { after: 7 })).toThrow('needs an instanceId');
  });

  it('ends when it is stopped, aborted or its agent is closed', async () => {
    const { bus, agent, follow } = world();
    const stop = new AbortController();
    const rows = agent.watch();
    const watches = [follow(rows), follow(agent.watch('i', { signal: stop.signal }))];
    watches.push(follow(agent.watch()));
    await settled();
    await rows.return();
    stop.abort();
    await agent.close();
    await Promise.all(watches.map(({ over }) => over));
    expect(bus.listening).toBe(0);
    expect(await agent.watch('i').next()).toEqual({ done: true, value: undefined });
  });
});
