import type { CellOutcome, EffectContext, EffectRunner } from '../../advancer/cells/cells.ts';
import type { AppendEntry } from '../../advancer/log/log.ts';
import { PeerMessages } from '../../advancer/mac/peer-messages.ts';
import type { QuestionBody } from '../../advancer/mac/statements.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { NewRow, RowKind } from '../../src/execution/row.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Cell } from '../../src/runbook/runbook.ts';
import { Cluster, type ClusterOptions, type SimReplica } from './cluster.ts';
import { EPOCH_MS, SimProcess } from './world.ts';

/** A replica that wrote before all others, and is gone. */
export const GONE = 'r9-00000009';

export const HELD: Cell = { id: 'charge', exec: { handler: 'any' } };
export const AGAIN: Cell = { id: 'charge', exec: { handler: 'any' }, onInterrupt: 'rerun' };
export const GATE: Cell = { id: 'gate', await: { claim: 'gate', statuses: ['open'] } };

/** How a scene differs from the usual one. */
export interface SceneOptions extends Omit<ClusterOptions, 'effects'> {
  /** Default: three. */
  replicas?: number;
  /** Changes the effects of a process. */
  wrap?: ClusterOptions['effects'];
}

/**
 * Real replicas in a world without faults, in which a test breaks one thing; and two instances, `i`
 * and `j`.
 */
export class Scene {
  readonly cluster: Cluster;
  readonly ran: EffectContext[] = [];
  /** While set, effects do not end before it resolves. */
  hold: Promise<void> | undefined;
  readonly #agent: SimProcess;
  readonly #bus: Bus;

  constructor(cells: Cell[], options: SceneOptions = {}) {
    const { wrap = (_process, effects) => effects } = options;
    this.cluster = new Cluster(7, {
      ...options,
      effects: (process, standard) => wrap(process, this.#effects(process, standard)),
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
        recordedAt: new Date(EPOCH_MS).toISOString(),
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

  /** Lets time pass. */
  async pass(ms: number): Promise<void> {
    await this.cluster.world.run(this.cluster.world.nowMs + ms);
  }

  /** Lets time pass until the condition holds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    await this.cluster.world.run(this.cluster.world.nowMs + 60_000, holds);
    if (!holds()) throw new Error(`${what} did not happen\n${this.cluster.world.trace.join('\n')}`);
  }

  /** Waits for a promise in virtual time. */
  async result<T>(promise: Promise<T>): Promise<T> {
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

  /** Asks a replica as another one does; undefined: it does not answer that it believes it. */
  async ask(asked: SimReplica, body: QuestionBody): Promise<JsonObject | undefined> {
    const messages = new PeerMessages({
      namespace: 'sim',
      leases: {
        replicaId: GONE,
        secrets: () => asked.replica.leases.secrets(),
        registered: () => [],
      },
      unauthenticated: { note: () => undefined },
      onUnknownSender: () => undefined,
    });
    const sealed = messages.ask(asked.replicaId, body);
    if (sealed === undefined) throw new Error('the replica has no secret');
    const subject = this.cluster.subjects.replica(asked.replicaId);
    const reply = await this.request(subject, sealed.message);
    return reply && messages.openAnswer(sealed.question, reply);
  }

  advance(requestId: string, more: JsonObject = {}, instanceId = 'i'): Promise<Receipt> {
    const body = { requestId, agentId: 'agent', ...more };
    return this.request(
      this.cluster.subjects.advance(instanceId),
      body,
    ) as Promise<unknown> as Promise<Receipt>;
  }

  /** Writes rows from before the scene began, by a replica that is gone. */
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

  /** The log of `i`, one line per row. */
  get log(): string[] {
    return this.cluster.postgres.rowsOf('i').map(({ kind, cellId, attempt, body }) => {
      const { reason, as, by } = body as Partial<Record<string, string>>;
      const parts: (string | number | undefined)[] = [kind, cellId, attempt];
      if (kind === 'interrupted') parts.push(reason);
      if (kind === 'decided') parts.push(as, 'by', by);
      return parts.join(' ');
    });
  }

  /** The replica that holds the instance. */
  get holder(): SimReplica {
    const found = this.cluster.living.find(
      ({ replica }) => replica.leases.holding('i') !== undefined,
    );
    if (found === undefined) throw new Error('no replica holds the instance');
    return found;
  }

  /** Has a replica acquire the instance, without a row. */
  async held(): Promise<SimReplica> {
    await this.pass(500);
    const receipt = await this.result(this.advance('touch', { cellId: 'nowhere' }));
    if (receipt.outcome !== 'out_of_order') throw new Error(`the touch was ${receipt.outcome}`);
    return this.holder;
  }

  cut(of: SimReplica, server: 'postgres' | 'etcd' | 'nats', cut: boolean): void {
    this.cluster.network.setCut(of.process, server, cut);
  }
}

/** A gate that a test opens. */
export function gate(): { open: () => void; opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

/** Whether the entry ends with an intent. */
export function isIntent(entry: AppendEntry): boolean {
  return entry.rows.at(-1)?.kind === 'started';
}
