import type { Agent } from '../../src/agent/agent.ts';
import type { Row } from '../../src/execution/row.ts';
import { faultKind } from './faults.ts';
import type { WorkInstance } from './instances.ts';
import type { LogEvidence } from './log-access.ts';
import type { Random } from './random.ts';
import type { Failover } from './record.ts';
import { LINGERING, STEADY } from './runbooks.ts';
import { sleep } from './workload.ts';
import type { Workload } from './workload.ts';

/** An instance that was put into a victim's hands, and what it was like when the fault struck. */
export interface Stake {
  instance: WorkInstance;
  attemptOpen: boolean;
  /** Under which the victim held it. */
  fencingToken: number;
}

/** A failover that is under way; the log says afterwards when it was over. */
interface Pending {
  stake: Stake;
  faultId: number;
  kind: string;
  /** Epoch milliseconds. */
  struckAt: number;
  victimless: boolean;
  /** Where there is no victim: until the first answer, as measured. */
  servedMs?: number | undefined;
}

const IDLE_STAKES = 3;
const OPEN_STAKES = 2;
const TRIES = 14;
const TOUCH_TIMEOUT_MS = 1_200;
const LONGEST_DEMAND_MS = 30_000;
/** An instance with so many cells used might run out of them in the middle of a measurement. */
const REUSED_UNTIL = 20;

/**
 * Measures how long instances go unserved because of an isolated fault: before it strikes, some are
 * put into the victim's hands, idle or with an attempt open; from then on each is asked for without
 * a break.
 */
export class FailoverMeter {
  readonly #workload: Workload;
  readonly #agent: Agent;
  readonly #random: Random;
  readonly #ttlMs: number;
  readonly #pending: Pending[] = [];
  /** Steady instances with cells left, to be used again. */
  #pool: WorkInstance[] = [];

  constructor(workload: Workload, random: Random, ttlMs: number) {
    this.#workload = workload;
    this.#agent = workload.anyAgent;
    this.#random = random;
    this.#ttlMs = ttlMs;
  }

  /** The instances that failovers were measured on. */
  get instanceIds(): Set<string> {
    return new Set(this.#pending.map(({ stake }) => stake.instance.instanceId));
  }

  /**
   * Puts instances into a replica's hands.
   *
   * @param victim its id; undefined: into anybody's
   */
  async prepare(victim: string | undefined): Promise<Stake[]> {
    const [idle, open] = await Promise.all([
      this.#stakes(victim, STEADY, IDLE_STAKES),
      victim === undefined ? [] : this.#stakes(victim, LINGERING, OPEN_STAKES),
    ]);
    for (const stake of open) {
      stake.attemptOpen = true;
      const patience = { timeoutMs: this.#ttlMs * 3 + 10_000 };
      const request = { requestId: this.#workload.name('f') };
      // The attempt is open long before the fault strikes; its answer is the log's business.
      void this.#workload.advance(this.#agent, stake.instance, request, patience);
    }
    return [...idle, ...open];
  }

  /**
   * Asks for the stakes from the moment that the fault struck until `until` resolves or each was
   * served.
   */
  async measure(
    stakes: readonly Stake[],
    fault: { id: number; kind: string },
    victimless: boolean,
    until: Promise<unknown>,
  ): Promise<void> {
    const struckAt = Date.now();
    let over = false;
    const done = until.then(() => (over = true));
    await Promise.all(
      stakes.map(async (stake) => {
        const pending: Pending = {
          stake,
          faultId: fault.id,
          kind: fault.kind,
          struckAt,
          victimless,
        };
        this.#pending.push(pending);
        // Without a victim nobody takes over: it is asked for until it is served, beyond the end of
        // the fault.
        if (!stake.attemptOpen) await this.#demand(pending, () => over && !victimless);
      }),
    );
    await done;
  }

  /** What the log says of the failovers of one instance. */
  failoversOf({ evidence, receiptTimes }: LogEvidence): Failover[] {
    const own = this.#pending.filter(
      ({ stake }) => stake.instance.instanceId === evidence.instanceId,
    );
    return own.flatMap(({ stake, faultId, kind, struckAt, victimless, servedMs }) => {
      const attemptOpen = wasOpen(evidence.rows, stake.fencingToken, struckAt);
      // Nobody asks for one whose attempt was to be open: if it was not, there is nothing to
      // measure.
      if (stake.attemptOpen && !attemptOpen) return [];
      const bound = faultKind(kind).bound(this.#ttlMs);
      const common = { faultId, kind, instanceId: evidence.instanceId, attemptOpen };
      if (servedMs !== undefined) return [{ ...common, boundMs: null, ms: servedMs }];
      if (victimless) return [];
      const boundMs = attemptOpen ? bound.open : bound.idle;
      const later = (fencingToken: number): boolean => fencingToken > stake.fencingToken;
      const times = [
        ...evidence.rows
          .filter((row) => later(row.fencingToken))
          .map(({ recordedAt }) => recordedAt),
        ...receiptTimes.filter((_, index) =>
          later(evidence.receipts[index]?.receipt.holder?.fencingToken ?? 0),
        ),
      ];
      const first = Math.min(...times.map((time) => Date.parse(time)));
      // A later term that came before the fault has nothing to do with it.
      return Number.isFinite(first) && first >= struckAt
        ? [{ ...common, boundMs, ms: first - struckAt }]
        : [];
    });
  }

  async #demand(pending: Pending, isOver: () => boolean): Promise<void> {
    const { victimless } = pending;
    const { instance, fencingToken } = pending.stake;
    const startedAt = performance.now();
    while (!isOver() && !instance.ended && performance.now() - startedAt < LONGEST_DEMAND_MS) {
      const request = { requestId: this.#workload.name('f'), maxCells: 1, wait: true };
      const receipt = await this.#workload.advance(this.#agent, instance, request, {
        timeoutMs: 10_000,
      });
      const served = receipt.outcome === 'advanced' || receipt.outcome === 'completed';
      if (served && victimless) {
        pending.servedMs = Math.round(performance.now() - startedAt);
        return;
      }
      if (served && (receipt.holder?.fencingToken ?? 0) > fencingToken) return;
      // The shortest bounds are a few hundred milliseconds; the cells must last for the longest.
      await sleep(performance.now() - startedAt < 1_000 ? 15 : Math.max(100, this.#ttlMs / 20));
    }
    // Not served in all that time: so long at least.
    if (victimless && !instance.ended) pending.servedMs = Math.round(performance.now() - startedAt);
  }

  /**
   * Instances of a runbook that the victim holds: advanced by one cell, they lie in somebody's
   * hands.
   */
  async #stakes(victim: string | undefined, runbookId: string, wanted: number): Promise<Stake[]> {
    const stakes: Stake[] = [];
    const deadline = performance.now() + TOUCH_TIMEOUT_MS;
    const reused = runbookId === STEADY ? this.#takePool() : [];
    const touch = async (): Promise<void> => {
      const instance =
        reused.pop() ??
        (await this.#workload.start(this.#agent, runbookId, this.#random, {
          live: false,
          longMs: this.#ttlMs + 4_000,
        }));
      if (instance === undefined) return;
      const request = { requestId: this.#workload.name('f'), maxCells: 1 };
      const { holder } = await this.#workload.advance(this.#agent, instance, request, {
        timeoutMs: TOUCH_TIMEOUT_MS,
      });
      if (runbookId === STEADY) this.#pool.push(instance);
      if (holder === null || (victim !== undefined && holder.replicaId !== victim)) return;
      if (stakes.length < wanted)
        stakes.push({ instance, attemptOpen: false, fencingToken: holder.fencingToken });
    };
    for (
      let tries = 0;
      tries < TRIES && stakes.length < wanted && performance.now() < deadline;
      tries += 4
    ) {
      await Promise.all(Array.from({ length: 4 }, touch));
    }
    return stakes;
  }

  #takePool(): WorkInstance[] {
    const usable = this.#pool.filter(
      ({ nextCellId, ended }) => !ended && cellsUsed(nextCellId) < REUSED_UNTIL,
    );
    this.#pool = [];
    return usable;
  }
}

/** Cells are named step1, step2, … */
function cellsUsed(nextCellId: string | undefined): number {
  return Number(nextCellId?.replace('step', '') ?? 0);
}

/**
 * Whether an attempt of that term was open at that moment; the log knows better than whoever asked
 * for it.
 */
function wasOpen(rows: readonly Row[], fencingToken: number, atMs: number): boolean {
  const before = rows.filter(
    (row) => row.fencingToken <= fencingToken && Date.parse(row.recordedAt) <= atMs,
  );
  return before.at(-1)?.kind === 'started';
}
