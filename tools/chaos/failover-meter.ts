import type { Agent } from '../../src/agent/agent.ts';
import type { Row } from '../../src/execution/row.ts';
import { faultKind } from './faults.ts';
import type { WorkloadInstance } from './instances.ts';
import type { LogEvidence } from './log-access.ts';
import type { Random } from './random.ts';
import type { Failover } from './record.ts';
import { LINGERING, STEADY } from './runbooks.ts';
import type { PlannedFault } from './schedule.ts';
import { sleep } from './sleep.ts';
import type { Workload } from './workload.ts';

/** An instance that the victim held shortly before the fault. */
export interface HeldInstance {
  instance: WorkloadInstance;
  /** Whether an attempt was started that should be open when the fault begins. */
  attemptOpen: boolean;
  /** The token under which the victim held it. */
  fencingToken: number;
}

/** A failover that is being measured; the log shows afterwards when it was over. */
interface Measurement {
  held: HeldInstance;
  faultId: number;
  kind: string;
  /** When the fault began, in epoch milliseconds. */
  faultAt: number;
  victimless: boolean;
  /** For a fault without a victim: the measured time until the first answer. */
  servedMs?: number | undefined;
}

const IDLE_INSTANCES = 3;
const OPEN_INSTANCES = 2;
const MAX_TRIES = 14;
const TRIES_AT_ONCE = 4;
const ACQUIRE_TIMEOUT_MS = 1_200;
const LONGEST_WAIT_MS = 30_000;
/** An instance that has used this many cells might run out of them during a measurement. */
const REUSED_UNTIL = 20;

/**
 * Measures how long instances are not served because of an isolated fault. Before the fault it has
 * the victim acquire some instances, idle or with an attempt open; from the fault on it requests
 * each of them continuously.
 */
export class FailoverMeter {
  readonly #workload: Workload;
  readonly #agent: Agent;
  readonly #random: Random;
  readonly #ttlMs: number;
  readonly #measurements: Measurement[] = [];
  /** Instances of the steady runbook with cells left, to be used again. */
  #reusable: WorkloadInstance[] = [];

  constructor(workload: Workload, random: Random, ttlMs: number) {
    this.#workload = workload;
    this.#agent = workload.anyAgent;
    this.#random = random;
    this.#ttlMs = ttlMs;
  }

  /** The instances that failovers were measured on. */
  get instanceIds(): Set<string> {
    return new Set(this.#measurements.map(({ held }) => held.instance.instanceId));
  }

  /**
   * Has a replica acquire instances.
   *
   * @param victim its replica id; undefined: any replica
   */
  async prepare(victim: string | undefined): Promise<HeldInstance[]> {
    const [idle, open] = await Promise.all([
      this.#acquire(victim, STEADY, IDLE_INSTANCES),
      victim === undefined ? [] : this.#acquire(victim, LINGERING, OPEN_INSTANCES),
    ]);
    for (const held of open) {
      held.attemptOpen = true;
      const limits = { timeoutMs: this.#ttlMs * 3 + 10_000 };
      const request = { requestId: this.#workload.newId('f') };
      // Not awaited: the attempt has to be open when the fault begins. The log shows how it ended.
      void this.#workload.advance(this.#agent, held.instance, request, limits);
    }
    return [...idle, ...open];
  }

  /**
   * Requests the instances from the moment the fault begins, until `until` resolves or each was
   * served.
   */
  async measure(
    instances: readonly HeldInstance[],
    fault: Pick<PlannedFault, 'id' | 'kind'>,
    victimless: boolean,
    until: Promise<unknown>,
  ): Promise<void> {
    const faultAt = Date.now();
    let over = false;
    const done = until.then(() => (over = true));
    await Promise.all(
      instances.map(async (held) => {
        const measurement: Measurement = {
          held,
          faultId: fault.id,
          kind: fault.kind,
          faultAt,
          victimless,
        };
        this.#measurements.push(measurement);
        // Without a victim there is no takeover: request it until it is served, even after the
        // fault has ended.
        if (!held.attemptOpen)
          await this.#requestUntilServed(measurement, () => over && !victimless);
      }),
    );
    await done;
  }

  /** The failovers of one instance, from the log. */
  failoversOf({ evidence, receiptTimes }: LogEvidence): Failover[] {
    const { instanceId } = evidence;
    const own = this.#measurements.filter(({ held }) => held.instance.instanceId === instanceId);
    return own.flatMap(({ held, faultId, kind, faultAt, victimless, servedMs }) => {
      const attemptOpen = wasOpen(evidence.rows, held.fencingToken, faultAt);
      // An instance that was to have an open attempt is not requested: if it had none, nothing was
      // measured.
      if (held.attemptOpen && !attemptOpen) return [];
      const bound = faultKind(kind).bound(this.#ttlMs);
      const failover = { faultId, kind, instanceId, attemptOpen };
      if (servedMs !== undefined) return [{ ...failover, boundMs: null, ms: servedMs }];
      if (victimless) return [];
      const boundMs = attemptOpen ? bound.open : bound.idle;
      const later = (fencingToken: number): boolean => fencingToken > held.fencingToken;
      const times = [
        ...evidence.rows
          .filter((row) => later(row.fencingToken))
          .map(({ recordedAt }) => recordedAt),
        ...receiptTimes.filter((_, index) =>
          later(evidence.receipts[index]?.receipt.holder?.fencingToken ?? 0),
        ),
      ];
      const first = Math.min(...times.map((time) => Date.parse(time)));
      // A later term that began before the fault has nothing to do with it.
      return Number.isFinite(first) && first >= faultAt
        ? [{ ...failover, boundMs, ms: first - faultAt }]
        : [];
    });
  }

  async #requestUntilServed(measurement: Measurement, isOver: () => boolean): Promise<void> {
    const { victimless } = measurement;
    const { instance, fencingToken } = measurement.held;
    const startedAt = performance.now();
    while (!isOver() && !instance.ended && performance.now() - startedAt < LONGEST_WAIT_MS) {
      const request = { requestId: this.#workload.newId('f'), maxCells: 1, wait: true };
      const receipt = await this.#workload.advance(this.#agent, instance, request, {
        timeoutMs: 10_000,
      });
      const served = receipt.outcome === 'advanced' || receipt.outcome === 'completed';
      if (served && victimless) {
        measurement.servedMs = Math.round(performance.now() - startedAt);
        return;
      }
      if (served && (receipt.holder?.fencingToken ?? 0) > fencingToken) return;
      // Often at first, as the shortest bounds are a few hundred milliseconds; then less often, as
      // the cells must last for the longest wait.
      await sleep(performance.now() - startedAt < 1_000 ? 15 : Math.max(100, this.#ttlMs / 20));
    }
    // Not served within the longest wait: record that time as the least it took.
    if (victimless && !instance.ended)
      measurement.servedMs = Math.round(performance.now() - startedAt);
  }

  /** Advances instances of a runbook by one cell until the victim holds enough of them. */
  async #acquire(
    victim: string | undefined,
    runbookId: string,
    wanted: number,
  ): Promise<HeldInstance[]> {
    const acquired: HeldInstance[] = [];
    const deadline = performance.now() + ACQUIRE_TIMEOUT_MS;
    const reused = runbookId === STEADY ? this.#takeReusable() : [];
    const advanceOne = async (): Promise<void> => {
      const instance =
        reused.pop() ??
        (await this.#workload.start(this.#agent, runbookId, this.#random, {
          live: false,
          longMs: this.#ttlMs + 4_000,
        }));
      if (instance === undefined) return;
      const request = { requestId: this.#workload.newId('f'), maxCells: 1 };
      const { holder } = await this.#workload.advance(this.#agent, instance, request, {
        timeoutMs: ACQUIRE_TIMEOUT_MS,
      });
      if (runbookId === STEADY) this.#reusable.push(instance);
      if (holder === null || (victim !== undefined && holder.replicaId !== victim)) return;
      if (acquired.length < wanted)
        acquired.push({ instance, attemptOpen: false, fencingToken: holder.fencingToken });
    };
    for (
      let tries = 0;
      tries < MAX_TRIES && acquired.length < wanted && performance.now() < deadline;
      tries += TRIES_AT_ONCE
    ) {
      await Promise.all(Array.from({ length: TRIES_AT_ONCE }, advanceOne));
    }
    return acquired;
  }

  #takeReusable(): WorkloadInstance[] {
    const usable = this.#reusable.filter(
      ({ nextCellId, ended }) => !ended && cellsUsed(nextCellId) < REUSED_UNTIL,
    );
    this.#reusable = [];
    return usable;
  }
}

/** Cells of the steady runbook are named step1, step2, and so on. */
function cellsUsed(nextCellId: string | undefined): number {
  return Number(nextCellId?.replace('step', '') ?? 0);
}

/** Whether the log shows an attempt of that term open at that moment. */
function wasOpen(rows: readonly Row[], fencingToken: number, atMs: number): boolean {
  const before = rows.filter(
    (row) => row.fencingToken <= fencingToken && Date.parse(row.recordedAt) <= atMs,
  );
  return before.at(-1)?.kind === 'started';
}
