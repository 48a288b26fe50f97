import { describe, expect, test } from 'vitest';

import type { CellOutcome, EffectContext, EffectRunner } from '../../advancer/cells/cells.ts';
import type { AppendEntry, Log } from '../../advancer/log/log.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { NewRow, RowKind } from '../../src/execution/row.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Cell } from '../../src/runbook/runbook.ts';
import { over } from '../harness/controls.ts';
import { Cluster, type ClusterOptions, type SimReplica } from './cluster.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/** A replica that was there before all others, and is gone. */
const GONE = 'r9-00000009';

const HELD: Cell = { id: 'charge', exec: { handler: 'any' } };
const AGAIN: Cell = { id: 'charge', exec: { handler: 'any' }, onInterrupt: 'rerun' };
const GATE: Cell = { id: 'gate', await: { claim: 'gate', statuses: ['open'] } };

/**
 * Real replicas in a calm world, in which a test breaks one thing; an instance, `i`, and another,
 * `j`.
 */
class Scene {
  readonly cluster: Cluster;
  readonly ran: EffectContext[] = [];
  /** While set, effects do not end before it resolves. */
  hold: Promise<void> | undefined;
  readonly #agent: SimProcess;
  readonly #bus: Bus;

  constructor(cells: Cell[], options: ClusterOptions & { replicas?: number } = {}) {
    this.cluster = new Cluster(7, {
      ...options,
      effects: (process, standard) => this.#effects(process, standard),
    });
    const { postgres } = this.cluster;
    postgres.runbooks.set('book', { runbook: 'book', version: 1, inputs: [], cells });
    for (const instanceId of ['i', 'j']) {
      postgres.instances.set(instanceId, {
        instanceId,
        runbookId: 'book',
        version: 1,
        inputs: {},
        agentId: 'agent',
      });
    }
    this.#agent = new SimProcess(this.cluster.world, 'agent');
    this.#bus = this.cluster.nats.bus(this.#agent);
    for (let count = 0; count < (options.replicas ?? 3); count += 1) this.cluster.startReplica();
  }

  #effects(process: SimProcess, standard: EffectRunner): EffectRunner {
    return {
      ...standard,
      run: async (_cell, context): Promise<CellOutcome> => {
        this.ran.push(context);
        await process.clock().sleep(10);
        await this.hold;
        return { kind: 'completed', output: { by: process.name }, detail: {} };
      },
    };
  }

  /** Time passes. */
  async pass(ms: number): Promise<void> {
    await this.cluster.world.run(this.cluster.world.nowMs + ms);
  }

  /** Time passes until it holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await this.cluster.world.run(this.cluster.world.nowMs + 60_000, holds);
    if (!holds())
      throw new Error(`${what} did not come about\n${this.cluster.world.trace.join('\n')}`);
  }

  /** Waits for what a promise brings, in virtual time. */
  async brings<T>(promise: Promise<T>): Promise<T> {
    let box: { value: T } | undefined;
    void promise.then((value) => {
      box = { value };
    });
    await this.until('an answer', () => box !== undefined);
    return box!.value;
  }

  async request(subject: string, body: Json): Promise<JsonObject | undefined> {
    const reply = await this.#bus.request(subject, body, 40_000);
    return reply.kind === 'reply' ? (reply.body as JsonObject) : undefined;
  }

  advance(requestId: string, more: JsonObject = {}, instanceId = 'i'): Promise<Receipt> {
    const body = { requestId, agentId: 'agent', ...more };
    return this.request(
      this.cluster.subjects.advance(instanceId),
      body,
    ) as Promise<unknown> as Promise<Receipt>;
  }

  /** Rows as they were before the scene began, and who wrote them is gone. */
  history(...rows: [RowKind, string, number, string | null, JsonObject][]): void {
    const { postgres } = this.cluster;
    const lines = rows.map(([kind, cellId, attempt, requestId, body], index): NewRow => {
      const seq = postgres.rowsOf('i').length + index + 1;
      const common = { instanceId: 'i', fencingToken: 1, replicaId: GONE, agentId: 'agent' };
      return { ...common, seq, kind, cellId, attempt, requestId, body };
    });
    const outcome = postgres.append({
      instanceId: 'i',
      fencingToken: 1,
      replicaId: GONE,
      rows: lines,
      projection: { status: 'running', nextCellId: null },
    });
    if (outcome.kind !== 'appended') throw new Error(`the history is not allowed: ${outcome.kind}`);
  }

  get story(): string[] {
    return this.cluster.postgres.rowsOf('i').map(({ kind, cellId, attempt, body }) => {
      const { reason, as, by } = body as Partial<Record<string, string>>;
      const words: (string | number | undefined)[] = [kind, cellId, attempt];
      if (kind === 'interrupted') words.push(reason);
      if (kind === 'decided') words.push(as, 'by', by);
      return words.join(' ');
    });
  }

  /** Who holds the instance. */
  get holder(): SimReplica {
    const found = this.cluster.living.find(
      ({ replica }) => replica.leases.holding('i') !== undefined,
    );
    if (found === undefined) throw new Error('nobody holds the instance');
    return found;
  }

  /** Makes somebody hold it, without a row. */
  async held(): Promise<SimReplica> {
    await this.pass(500);
    const receipt = await this.brings(this.advance('touch', { cellId: 'nowhere' }));
    if (receipt.outcome !== 'out_of_order') throw new Error(`the touch was ${receipt.outcome}`);
    return this.holder;
  }

  cut(of: SimReplica, server: 'postgres' | 'etcd' | 'nats', cut: boolean): void {
    this.cluster.network.setCut(of.process, server, cut);
  }
}

function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

function isIntent(entry: AppendEntry): boolean {
  return entry.rows.at(-1)?.kind === 'started';
}

describe('attempts are registered per process until their closing row is definite', () => {
  test('an outcome in hand that is not yet appended counts as running, and nobody closes it', async () => {
    const scene = new Scene([HELD]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'postgres', true);
    ending.open();
    await scene.pass(1_000);
    const runs = await scene.brings(
      scene.request(scene.cluster.subjects.replica(holder.replicaId), {
        ask: 'runs',
        instanceId: 'i',
        cellId: 'charge',
        attempt: 1,
      }),
    );
    expect(runs).toEqual({ runs: true });
    scene.cut(holder, 'postgres', false);
    expect((await scene.brings(answer)).outcome).toBe('completed');
    expect(scene.story).toEqual(['started charge 1', 'completed charge 1']);
    expect(holder.replica.attempts.all()).toEqual([]);
  });

  test('a process that cannot reach Postgres for long with an attempt in hand ends its session; what it knows becomes a late outcome', async () => {
    const scene = new Scene([HELD]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'postgres', true);
    ending.open();
    await scene.until(
      'the end of its session',
      () => scene.cluster.etcd.get(`/leasehold/sim/replicas/${holder.replicaId}`) === undefined,
    );
    const receipt = await scene.brings(answer);
    expect(receipt).toMatchObject({
      outcome: 'in_doubt',
      inDoubt: { cellId: 'charge', attempt: 1 },
    });
    expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
    scene.cut(holder, 'postgres', false);
    await scene.until('the decision', () => scene.story.length === 3);
    expect(scene.story[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'completed', replicaId: holder.replicaId },
    ]);
    expect(scene.cluster.postgres.refusals).toMatchObject([
      { kind: 'completed', replicaId: holder.replicaId },
    ]);
    expect(scene.ran).toHaveLength(1);
  });

  test('a process that was fenced has its attempt in hand, and does not leave, until what it knows is kept', async () => {
    const storing = gate();
    const scene = new Scene([AGAIN], {
      log: (log): Log => ({
        ...log,
        async addLateOutcome(late) {
          await storing.opened;
          return log.addLateOutcome(late);
        },
      }),
    });
    const holder = await scene.held();
    const [first, second] = [gate(), gate()];
    scene.hold = first.opened;
    const answer = scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    // It is at its gate by now; the next gate is for the replica that runs the cell again.
    await scene.pass(50);
    scene.hold = second.opened;
    scene.cut(holder, 'etcd', true);
    // The request goes on elsewhere, so it is the fence that refuses the outcome, and no receipt.
    await scene.until('the next attempt', () => scene.ran.length === 2);
    first.open();
    await scene.until('the refusal', () => scene.cluster.postgres.refusals.length === 1);
    scene.cut(holder, 'etcd', false);
    await scene.pass(3_000);
    expect(holder.replica.attempts.all()).toHaveLength(1);
    let left = false;
    void holder.replica.drain().then(() => (left = true));
    await scene.pass(3_000);
    expect(left).toBe(false);
    storing.open();
    await scene.until('its leaving', () => left);
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'completed', attempt: 1, replicaId: holder.replicaId },
    ]);
    second.open();
    expect((await scene.brings(answer)).outcome).toBe('completed');
  });

  test('a holder that is cut off from NATS only is left to end its open attempt', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'nats', true);
    const other = scene.advance('q2');
    await scene.pass(5_000);
    expect(scene.story).toEqual(['started charge 1']);
    expect(holder.replica.leases.holding('i')).toBeDefined();
    ending.open();
    const receipt = await scene.brings(other);
    expect(receipt.outcome).toBe('completed');
    expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
    expect(scene.story).toEqual([
      'started charge 1',
      'completed charge 1',
      'started next 1',
      'completed next 1',
    ]);
    expect(scene.ran).toHaveLength(2);
  });
});

describe('an append whose answer was lost', () => {
  test('that reads back as absent is sent again, the very same row, never renumbered', async () => {
    const sent: AppendEntry[] = [];
    const scene = new Scene([HELD], {
      log: (log): Log => ({
        ...log,
        append(entry) {
          sent.push(structuredClone(entry));
          // The first two sends of each entry are lost on their way.
          const sends = sent.filter(({ rows }) => rows[0]?.seq === entry.rows[0]?.seq).length;
          if (sends <= 2) return Promise.resolve({ kind: 'unknown', cause: new Error('lost') });
          return log.append(entry);
        },
      }),
    });
    await scene.held();
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(sent).toHaveLength(6);
    for (const at of [0, 3]) {
      expect(sent[at + 1]).toEqual(sent[at]);
      expect(sent[at + 2]).toEqual(sent[at]);
    }
    expect(scene.story).toEqual(['started charge 1', 'completed charge 1']);
    expect(scene.ran).toHaveLength(1);
  });

  test('for so long that unavailable is said runs nothing for that request, also when the intent stands after all', async () => {
    let slow = true;
    const scene: Scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          return slow ? { kind: 'unknown', cause: new Error('the answer was lost') } : outcome;
        },
      }),
    });
    await scene.held();
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('unavailable');
    slow = false;
    await scene.pass(5_000);
    expect(scene.ran).toHaveLength(0);
    expect(scene.story).toEqual([
      'started charge 1',
      'interrupted charge 1 not_started',
      'decided charge 1 rerun by @policy',
    ]);
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.ran.map(({ cellId, attempt }) => `${cellId} ${attempt}`)).toEqual([
      'charge 2',
      'next 1',
    ]);
  });

  test('a started that reads back as present and newest is run, once', async () => {
    let lost = 0;
    const scene = new Scene([HELD], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || lost > 0) return outcome;
          lost += 1;
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    await scene.held();
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(lost).toBe(1);
    expect(scene.story).toEqual(['started charge 1', 'completed charge 1']);
    expect(scene.ran).toHaveLength(1);
  });

  test('a started that reads back as present is mine to run only if nothing follows it', async () => {
    let victim: SimProcess | undefined;
    const scene: Scene = new Scene([AGAIN], {
      log: (log, process): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || victim !== undefined) return outcome;
          victim = process;
          scene.cluster.network.setCut(process, 'postgres', true);
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    const holder = await scene.held();
    const receipt = await scene.brings(scene.advance('q1'));
    expect(victim).toBe(holder.process);
    // The request is answered by others, or as unavailable while the intent is unknown; nothing of
    // attempt 1 ran.
    expect(['unavailable', 'completed']).toContain(receipt.outcome);
    await scene.until(
      'the end of its session',
      () => holder.replica.leases.holding('i') === undefined,
    );
    const again = await scene.brings(scene.advance('q1'));
    expect(again.outcome).toBe('completed');
    const story = [...scene.story];
    expect(story.slice(0, 4)).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @late-outcome',
      'started charge 2',
    ]);
    // Its own send is answered now: it stands, and others have gone on.
    scene.cut(holder, 'postgres', false);
    await scene.until('the attempt released', () => holder.replica.attempts.all().length === 0);
    await scene.pass(5_000);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
    expect(scene.story).toEqual(story);
  });

  test('whose effect cannot have begun puts nobody in doubt: its process says so, and another runs the cell', async () => {
    let cutAtMs: number | undefined;
    const scene: Scene = new Scene([HELD], {
      log: (log, process): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || cutAtMs !== undefined) return outcome;
          // It stands, and its process cannot hear so.
          cutAtMs = scene.cluster.world.nowMs;
          scene.cluster.network.setCut(process, 'postgres', true);
          return log.append(entry);
        },
      }),
    });
    const holder = await scene.held();
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('unavailable');
    await scene.pass(50);
    const again = await scene.brings(scene.advance('q1'));
    expect(again.outcome).toBe('completed');
    expect(again.holder?.replicaId).not.toBe(holder.replicaId);
    // A second until it looks, half of one until it knows.
    expect(scene.cluster.world.nowMs - (cutAtMs ?? 0)).toBeLessThan(2_000);
    expect(scene.story).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @late-outcome',
      'started charge 2',
      'completed charge 2',
    ]);
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'not_started', replicaId: holder.replicaId },
    ]);
    scene.cut(holder, 'postgres', false);
    await scene.pass(5_000);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
  });

  test('a started that reads back as present with a row after it is not run, however trusted the holding', async () => {
    let lost = false;
    const scene: Scene = new Scene([AGAIN], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          const [intent] = entry.rows;
          if (!isIntent(entry) || intent === undefined || lost) return outcome;
          lost = true;
          const closing: NewRow = {
            ...intent,
            seq: intent.seq + 1,
            kind: 'interrupted',
            body: { reason: 'crash' },
          };
          scene.cluster.postgres.append({ ...entry, rows: [closing] });
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    await scene.held();
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.story).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @policy',
      'started charge 2',
      'completed charge 2',
    ]);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
  });
});

test('a check that fails after started closes the attempt as not_started, decided rerun', async () => {
  const scene: Scene = new Scene([HELD], {
    replicas: 1,
    failpoint: (process) => async (name, place) => {
      if (name !== 'after_intent' || place.attempt !== 1) return;
      scene.cluster.network.setCut(process, 'etcd', true);
      await process.clock().sleep(4_000);
      expect(scene.ran).toEqual([]);
      scene.cluster.network.setCut(process, 'etcd', false);
    },
  });
  await scene.held();
  expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
  expect(scene.story).toEqual([
    'started charge 1',
    'interrupted charge 1 not_started',
    'decided charge 1 rerun by @policy',
    'started charge 2',
    'completed charge 2',
  ]);
  const tokens = scene.cluster.postgres.rowsOf('i').map(({ fencingToken }) => fencingToken);
  // The word of the old term stands under the old token, and the new attempt is a new term's.
  expect(new Set(tokens.slice(0, 3)).size).toBe(1);
  expect(tokens[3]).toBeGreaterThan(tokens[2]!);
  expect(scene.ran.map(({ attempt, fencingToken }) => [attempt, fencingToken])).toEqual([
    [2, tokens[3]],
  ]);
});

test('a holder that loses to a higher token drops the holding at once, and writes no more under the old one', async () => {
  const fenced: string[] = [];
  const scene: Scene = new Scene([GATE, HELD], {
    log: (log, process): Log => ({
      ...log,
      async append(entry) {
        const outcome = await log.append(entry);
        if (outcome.kind === 'fenced') fenced.push(process.name);
        return outcome;
      },
    }),
  });
  const holder = await scene.held();
  const { postgres } = scene.cluster;
  // The holder's view of etcd stops here; its trust lasts a while longer.
  scene.cut(holder, 'etcd', true);
  const other = scene.cluster.living.find((one) => one !== holder)!;
  const seen = await scene.brings(other.replica.leases.look('i'));
  if (typeof seen === 'string') throw new Error(seen);
  const taken = await scene.brings(other.replica.leases.takeOver(seen));
  if (taken.kind !== 'acquired') throw new Error(taken.kind);
  const { token } = taken.holding;
  postgres.append({
    instanceId: 'i',
    fencingToken: token,
    replicaId: other.replicaId,
    rows: [
      {
        instanceId: 'i',
        seq: 1,
        fencingToken: token,
        replicaId: other.replicaId,
        kind: 'satisfied',
        cellId: 'gate',
        attempt: 1,
        requestId: null,
        agentId: null,
        body: {},
      },
    ],
    projection: { status: 'ready', nextCellId: 'charge' },
  });
  expect(holder.replica.leases.holding('i')).toBeDefined();
  // The old holder still trusts itself and its memory of an empty log, so it parks: a receipt is as
  // fenced as a row.
  const answer = scene.advance('q1');
  await scene.until('the fence', () => fenced.length > 0);
  expect(fenced).toEqual([holder.process.name]);
  expect(holder.replica.leases.holding('i')).toBeUndefined();
  const receipt = await scene.brings(answer);
  expect(receipt).toMatchObject({ outcome: 'completed', holder: { replicaId: other.replicaId } });
  expect(fenced).toHaveLength(1);
  expect(postgres.rowsOf('i').every(({ fencingToken }) => fencingToken >= token)).toBe(true);
  expect(scene.ran).toHaveLength(1);
});

describe('the line of an instance in the projection', () => {
  const line = (scene: Scene) => scene.cluster.postgres.projection.get('i');

  test('follows each advance at once, and one that is advanced over and over once it rests', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'b' }, { ...HELD, id: 'c' }]);
    await scene.held();
    await scene.brings(scene.advance('q1', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'ready', lastSeq: 2 });
    await scene.brings(scene.advance('q2', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    await scene.pass(400);
    expect(line(scene)).toMatchObject({ status: 'ready', lastSeq: 4 });
    await scene.brings(scene.advance('q3', { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'completed', lastSeq: 6 });
  });

  test('says running once of an instance that is advanced over and over, and what a crash leaves open is found', async () => {
    const scene = new Scene([
      HELD,
      { ...HELD, id: 'b' },
      { ...HELD, id: 'c' },
      { ...HELD, id: 'd' },
    ]);
    const holder = await scene.held();
    for (const request of ['q1', 'q2', 'q3'])
      await scene.brings(scene.advance(request, { maxCells: 1 }));
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    scene.hold = new Promise(() => undefined);
    void scene.advance('q4', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 4);
    expect(scene.story).toHaveLength(7);
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    holder.process.kill();
    await scene.until('the doubt', () => line(scene)?.status === 'in_doubt');
    expect(line(scene)).toMatchObject({ lastSeq: 8 });
  });

  test('is written as running again, now and then, while it goes on for long, so that no sweep takes it for abandoned', async () => {
    const cells = Array.from({ length: 24 }, (_, n) => ({ ...HELD, id: `c${n}` }));
    const scene = new Scene(cells);
    await scene.held();
    await scene.brings(scene.advance('q0', { maxCells: 1 }));
    const saidAtMs = new Set<number>();
    for (let nth = 1; nth < 20; nth++) {
      await scene.brings(scene.advance(`q${nth}`, { maxCells: 1 }));
      const { status, updatedAtMs } = line(scene)!;
      expect(status).toBe('running');
      saidAtMs.add(updatedAtMs);
      expect(scene.cluster.world.nowMs - updatedAtMs).toBeLessThan(400);
      await scene.pass(60);
    }
    const times = [...saidAtMs];
    for (const [nth, ms] of times.slice(1).entries()) expect(ms - times[nth]!).toBeGreaterThan(245);
    expect(times.length).toBeGreaterThan(2);
  });

  test('that a crash left as running is corrected by a sweep, without a request', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'b' }, { ...HELD, id: 'c' }]);
    const holder = await scene.held();
    await scene.brings(scene.advance('q1', { maxCells: 1 }));
    await scene.brings(scene.advance('q2', { maxCells: 1 }));
    holder.process.kill();
    expect(line(scene)).toMatchObject({ status: 'running', lastSeq: 3 });
    await scene.until('the corrected line', () => line(scene)?.status === 'ready');
    expect(line(scene)).toMatchObject({ lastSeq: 4 });
    expect(scene.story).toHaveLength(4);
  });
});

describe('before a doubt is decided by policy, the late outcomes are read', () => {
  const late = (kind: 'completed' | 'failed' | 'not_started', body: JsonObject = {}) => ({
    instanceId: 'i',
    cellId: 'charge',
    attempt: 1,
    fencingToken: 1,
    replicaId: GONE,
    kind,
    body,
  });

  test('a late outcome settles a rerun cell, which is not run again', async () => {
    const scene = new Scene([AGAIN]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('completed', { output: 7 }));
    await scene.pass(100);
    const receipt = await scene.brings(scene.advance('q1'));
    expect(receipt.outcome).toBe('completed');
    expect(scene.story[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.ran).toEqual([]);
  });

  test('a late not_started lets a hold cell run again, and no person is asked', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('not_started'));
    await scene.pass(100);
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.story[2]).toBe('decided charge 1 rerun by @late-outcome');
    expect(scene.ran.map(({ attempt, idempotencyKey }) => [attempt, idempotencyKey])).toEqual([
      [2, 'i/charge/1'],
    ]);
  });

  test('an outcome counts more than a word that nothing began, whichever came first', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('not_started'), late('completed', { output: 7 }));
    await scene.pass(100);
    expect((await scene.brings(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.story[2]).toBe('decided charge 1 succeeded by @late-outcome');
    expect(scene.ran).toEqual([]);
  });

  test('a person who decides what a late outcome settles gets a conflict', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
    );
    scene.cluster.postgres.lateOutcomes.push(late('completed', { output: 7 }));
    await scene.pass(100);
    const body = {
      agentId: 'person',
      cellId: 'charge',
      attempt: 1,
      as: 'rerun',
      reason: 'impatient',
    };
    const reply = await scene.brings(scene.request(scene.cluster.subjects.decide('i'), body));
    expect(reply).toMatchObject({ error: { code: 'conflict' } });
    expect(scene.story[2]).toBe('decided charge 1 succeeded by @late-outcome');
  });

  test('a decision names the attempt that it answers', async () => {
    const scene = new Scene([HELD]);
    scene.history(
      ['started', 'charge', 1, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 1, 'q0', { reason: 'crash' }],
      ['decided', 'charge', 1, null, { as: 'rerun', by: 'person' }],
      ['started', 'charge', 2, 'q0', { idempotencyKey: 'i/charge/1' }],
      ['interrupted', 'charge', 2, 'q0', { reason: 'crash' }],
    );
    await scene.pass(100);
    const decide = (attempt: number) =>
      scene.brings(
        scene.request(scene.cluster.subjects.decide('i'), {
          agentId: 'person',
          cellId: 'charge',
          attempt,
          as: 'succeeded',
          reason: 'seen',
        }),
      );
    expect(await decide(1)).toMatchObject({ error: { code: 'conflict' } });
    expect(await decide(3)).toMatchObject({ error: { code: 'conflict' } });
    expect(scene.story).toHaveLength(5);
    expect(await decide(2)).toEqual({ instanceId: 'i', seq: 6, as: 'succeeded' });
  });
});

describe('a request that its holder never heard of', () => {
  test('is answered by it all the same, when it was cut off from the bus as the request came', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    scene.cut(holder, 'nats', true);
    const other = scene.advance('q2', { wait: true });
    await scene.pass(1_000);
    scene.cut(holder, 'nats', false);
    ending.open();
    const receipt = await scene.brings(other);
    expect(receipt?.outcome).toBe('completed');
  });

  test('is answered by it all the same, when it had not joined yet as the request came', async () => {
    const scene = new Scene([HELD, { ...HELD, id: 'next' }], { replicas: 2 });
    const holder = await scene.held();
    const ending = gate();
    scene.hold = ending.opened;
    void scene.advance('q1', { maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const other = scene.advance('q2', { wait: true });
    await scene.pass(100);
    const late = scene.cluster.startReplica();
    await scene.pass(500);
    holder.process.kill();
    await scene.until(
      'lease gone',
      () => scene.cluster.etcd.get('/leasehold/sim/leases/i') === undefined,
    );
    await scene.brings(late.replica.leases.acquire('i'));
    const receipt = await scene.brings(other);
    expect(receipt?.outcome).toBe('in_doubt');
  });
});

describe('a receipt has every row of its request', () => {
  test('what closes an attempt after its request got its receipt elsewhere is written under no request', async () => {
    const ending = gate();
    const scene = new Scene([HELD, { ...HELD, id: 'next' }]);
    await scene.held();
    scene.hold = ending.opened;
    void scene.advance('q1');
    await scene.until('the effect', () => scene.ran.length === 1);
    // The same request id was used for another instance, which was done first.
    const receipt: Receipt = {
      requestId: 'q1',
      instanceId: 'other',
      outcome: 'completed',
      steps: [],
      nextCellId: null,
      holder: null,
    };
    scene.cluster.postgres.receipts.set('q1', {
      requestId: 'q1',
      instanceId: 'other',
      receipt,
      lastSeq: 0,
      fencingToken: 1,
    });
    ending.open();
    await scene.until('the outcome', () => scene.story.length === 2);
    await scene.pass(5_000);
    expect(scene.story).toEqual(['started charge 1', 'completed charge 1']);
    const rows = scene.cluster.postgres.rowsOf('i');
    expect(rows.map(({ requestId }) => requestId)).toEqual(['q1', null]);
    expect(scene.ran).toHaveLength(1);
  });
});

describe('a replica that takes up a request which another had begun', () => {
  test('does not refuse it as in flight, though somebody else was faster: it was admitted', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }]);
    scene.history(['started', 'charge', 1, 'begun', { idempotencyKey: 'i/charge/1' }]);
    await scene.held().catch(() => undefined);
    const ending = gate();
    scene.hold = ending.opened;
    const faster = scene.advance('faster', { wait: true, maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const begun = scene.advance('begun');
    const fresh = await scene.brings(scene.advance('fresh'));
    expect(fresh).toMatchObject({ outcome: 'in_flight', inFlight: { requestId: 'faster' } });
    ending.open();
    expect((await scene.brings(faster)).outcome).toBe('advanced');
    const receipt = await scene.brings(begun);
    expect(receipt.outcome).toBe('completed');
    expect(receipt.steps.map(({ seq }) => seq)).toEqual([1, 6, 7]);
    expect(scene.cluster.postgres.receipts.get('begun')?.receipt).toEqual(receipt);
  });

  test('does not refuse it as expired, for something was run; one that had not begun it does', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }]);
    scene.history(['started', 'charge', 1, 'begun', { idempotencyKey: 'i/charge/1' }]);
    await scene.pass(100);
    const ending = gate();
    scene.hold = ending.opened;
    const faster = scene.advance('faster', { wait: true, maxCells: 1 });
    await scene.until('the effect', () => scene.ran.length === 1);
    const expiresAt = new Date(EPOCH_MS + scene.cluster.world.nowMs + 1_000).toISOString();
    const begun = scene.advance('begun', { wait: true, maxCells: 2, expiresAt });
    const fresh = scene.advance('fresh', { wait: true, expiresAt });
    await scene.pass(2_000);
    ending.open();
    expect((await scene.brings(faster)).outcome).toBe('advanced');
    expect(await scene.brings(begun)).toMatchObject({ outcome: 'completed', nextCellId: null });
    expect(await scene.brings(fresh)).toMatchObject({ outcome: 'expired', steps: [] });
  });

  test('does not start its maxCells over, and does not take its first cell for out of order', async () => {
    const scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }, { ...AGAIN, id: 'last' }]);
    scene.history(
      ['started', 'charge', 1, 'q1', { idempotencyKey: 'i/charge/1' }],
      ['completed', 'charge', 1, 'q1', { output: 1 }],
      ['started', 'next', 1, 'q1', { idempotencyKey: 'i/next/1' }],
    );
    await scene.pass(100);
    const receipt = await scene.brings(scene.advance('q1', { cellId: 'charge', maxCells: 2 }));
    expect(receipt).toMatchObject({ outcome: 'advanced', nextCellId: 'last' });
    expect(scene.ran.map(({ cellId, attempt }) => [cellId, attempt])).toEqual([['next', 2]]);
    expect(receipt.steps.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });
});

test('a request that others have answered is not worked on again, and stands in nobody’s way', async () => {
  const scene = new Scene([HELD, { id: 'pack', exec: { handler: 'any' } }]);
  scene.history(
    ['started', 'charge', 1, 'old', { idempotencyKey: 'i/charge/1' }],
    ['completed', 'charge', 1, 'old', { output: null }],
  );
  const recorded: Receipt = {
    requestId: 'old',
    instanceId: 'i',
    outcome: 'advanced',
    steps: [],
    nextCellId: 'pack',
    holder: { replicaId: GONE, fencingToken: 1 },
  };
  const { receipts } = scene.cluster.postgres;
  receipts.set('old', {
    requestId: 'old',
    instanceId: 'i',
    receipt: recorded,
    lastSeq: 2,
    fencingToken: 1,
  });
  await scene.pass(500);
  const [old, fresh] = [scene.advance('old'), scene.advance('new')];
  expect(await scene.brings(old)).toEqual(recorded);
  expect((await scene.brings(fresh)).outcome).toBe('completed');
  // Once the holder knows the log nobody is looked up, and the log itself refuses the old request.
  expect(await scene.brings(scene.advance('old', { cellId: 'pack' }))).toEqual(recorded);
  expect(scene.ran.map(({ cellId }) => cellId)).toEqual(['pack']);
});

test('a request that is sent on although it was answered stands in nobody’s way', async () => {
  // Slow enough that one request arrives while the other is looked at.
  const slow = (log: Log, process: SimProcess): Log =>
    over(log, {
      append: async (entry) => {
        await process.clock().sleep(50);
        return log.append(entry);
      },
    });
  const scene = new Scene([HELD, { ...HELD, id: 'pack' }, { ...HELD, id: 'ship' }], { log: slow });
  const holder = await scene.held();
  expect((await scene.brings(scene.advance('q1', { maxCells: 1 }))).outcome).toBe('advanced');
  // Answered by a holder before this one, which it has not heard of.
  const recorded: Receipt = {
    requestId: 'old',
    instanceId: 'i',
    outcome: 'parked',
    steps: [],
    nextCellId: 'pack',
    holder: { replicaId: GONE, fencingToken: 1 },
  };
  const { postgres, subjects } = scene.cluster;
  postgres.receipts.set('old', {
    requestId: 'old',
    instanceId: 'i',
    receipt: recorded,
    lastSeq: 2,
    fencingToken: 1,
  });
  const body = JSON.stringify({ requestId: 'old', agentId: 'agent' });
  const sentOn = scene.request(subjects.replica(holder.replicaId), {
    ask: 'serve',
    verb: 'advance',
    instanceId: 'i',
    body,
  });
  await scene.pass(20);
  const fresh = scene.advance('q2', { maxCells: 1 });
  expect(await scene.brings(sentOn)).toEqual(recorded);
  expect((await scene.brings(fresh)).outcome).toBe('advanced');
});

test('a replica that leaves with an attempt open releases at once the instances without one', async () => {
  // Alone at first, so that it holds both.
  const scene = new Scene([HELD], { replicas: 1 });
  const holder = await scene.held();
  await scene.brings(scene.advance('touch-j', { cellId: 'nowhere' }, 'j'));
  scene.cluster.startReplica();
  scene.cluster.startReplica();
  await scene.pass(2_000);
  const ending = gate();
  scene.hold = ending.opened;
  const open = scene.advance('q1');
  await scene.until('the effect', () => scene.ran.length === 1);
  scene.hold = undefined;
  void holder.replica.drain();
  const leftAtMs = scene.cluster.world.nowMs;
  const receipt = await scene.brings(scene.advance('q2', {}, 'j'));
  expect(receipt.outcome).toBe('completed');
  expect(receipt.holder?.replicaId).not.toBe(holder.replicaId);
  expect(scene.cluster.world.nowMs - leftAtMs).toBeLessThan(90);
  ending.open();
  expect((await scene.brings(open)).holder?.replicaId).toBe(holder.replicaId);
});
