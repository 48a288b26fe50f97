import type { Bus } from '../../src/bus/bus.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { StatusReply } from '../../src/request/status-reply.ts';
import type { Cluster } from './cluster.ts';
import { EPOCH_MS, type SimProcess } from './world.ts';

/** What a replica has said is in the log: a decision or a cancellation. */
export interface Acknowledged {
  instanceId: string;
  seq: number;
  /** Of the row. */
  kinds: readonly string[];
  /** What the row's body says. */
  body: JsonObject;
}

/** How long a person waits for an answer, in milliseconds. */
const PATIENCE_MS = 12_000;
/** How near to its deadline a claim is made, at most, in milliseconds. */
const NEAR_MS = 60;
/** A person who has repaired a halted instance so often lets it be. */
const MAX_REPAIRS = 3;

/** Persons who answer doubts and halted cells, cancel, and make claims at the last moment. */
export class Persons {
  /** Everything that replicas have said to be in the log. */
  readonly acknowledged: Acknowledged[] = [];
  readonly #cluster: Cluster;
  readonly #person: SimProcess;
  readonly #bus: Bus;
  readonly #repairs = new Map<string, number>();
  readonly #claimed = new Set<string>();

  constructor(cluster: Cluster, person: SimProcess, bus: Bus) {
    this.#cluster = cluster;
    this.#person = person;
    this.#bus = bus;
  }

  async status(instanceId: string): Promise<StatusReply | undefined> {
    const reply = await this.#ask(this.#cluster.subjects.status(instanceId), {}, 5_000);
    return reply?.['status'] === undefined ? undefined : (reply as unknown as StatusReply);
  }

  /** Answers the doubt, or the halted cell, if there is one; sometimes two persons do. */
  async decide(instanceId: string): Promise<void> {
    const status = await this.status(instanceId);
    const { random } = this.#cluster.world;
    if (status?.inDoubt !== undefined) {
      const as = random.pick(['succeeded', 'rerun', 'skipped', 'rerun', 'failed'] as const);
      await this.#answer(instanceId, status.inDoubt, as);
    } else if (status?.status === 'halted') {
      const cell = status.cells.find(({ cellId }) => cellId === status.nextCellId);
      const { cellId = '', attempt = 1 } = cell ?? {};
      const answers = random.chance(0.3) ? 2 : 1;
      await Promise.all(
        Array.from({ length: answers }, () =>
          this.#answer(
            instanceId,
            { cellId, attempt },
            random.pick(['rerun', 'rerun', 'succeeded', 'skipped'] as const),
          ),
        ),
      );
    }
  }

  /** Whether a person still wants to repair a halted instance. */
  wantsToRepair(instanceId: string): boolean {
    const repairs = this.#repairs.get(instanceId) ?? 0;
    this.#repairs.set(instanceId, repairs + 1);
    return repairs < MAX_REPAIRS && this.#cluster.world.random.chance(0.5);
  }

  async cancel(instanceId: string, undo: boolean): Promise<void> {
    const { subjects, world } = this.#cluster;
    const children = world.random.chance(0.5);
    const body = {
      agentId: 'person',
      reason: 'enough',
      ...(undo && { undo }),
      ...(children && { children }),
    };
    const reply = await this.#ask(subjects.cancel(instanceId), body, PATIENCE_MS);
    const seq = reply?.['seq'];
    const answer = seq === undefined ? JSON.stringify(reply?.['error'] ?? 'unknown') : 'taken';
    world.note(`person cancels ${instanceId}${undo ? ', with undo' : ''}: ${answer}`);
    if (typeof seq !== 'number') return;
    this.#cluster.coverage.reach(`cancel taken${undo ? ', with undo' : ''}`);
    const kinds = undo ? ['unwinding', 'cancelled'] : ['cancelled'];
    this.acknowledged.push({ instanceId, seq, kinds, body: { by: 'person', reason: 'enough' } });
  }

  /** One who learns that an instance waits may make the claim close to its deadline. */
  learns({ awaiting }: Receipt): void {
    if (awaiting?.until === undefined || this.#claimed.has(awaiting.claimId)) return;
    const { world, subjects } = this.#cluster;
    if (world.random.chance(0.4)) return;
    this.#claimed.add(awaiting.claimId);
    const dueMs = Date.parse(awaiting.until) - EPOCH_MS - world.nowMs;
    const nearMs = world.random.between(-NEAR_MS, NEAR_MS);
    const { claimId } = awaiting;
    this.#person.deliver(dueMs + nearMs, () => {
      const body = { status: 'open', agentId: 'person' };
      void this.#ask(subjects.claim(claimId), body, PATIENCE_MS);
    });
  }

  async #answer(
    instanceId: string,
    { cellId, attempt }: { cellId: string; attempt: number },
    as: Verdict,
  ): Promise<void> {
    const { subjects, world } = this.#cluster;
    const body = { agentId: 'person', cellId, attempt, as, reason: 'looked' };
    const reply = await this.#ask(subjects.decide(instanceId), body, PATIENCE_MS);
    const seq = reply?.['seq'];
    const answer = typeof seq === 'number' ? 'taken' : 'refused';
    world.note(`person decides ${instanceId}/${cellId} attempt ${attempt} as ${as}: ${answer}`);
    if (typeof seq !== 'number') return;
    this.acknowledged.push({ instanceId, seq, kinds: ['decided'], body: { as, by: 'person' } });
  }

  async #ask(subject: string, body: Json, timeoutMs: number): Promise<JsonObject | undefined> {
    const reply = await this.#bus.request(subject, body, timeoutMs);
    return reply.kind === 'reply' ? (reply.body as JsonObject) : undefined;
  }
}
