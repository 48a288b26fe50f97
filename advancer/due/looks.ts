import type { Leases } from '../../coordinator/leases.ts';
import { errorText } from '../../src/error-text.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import { TransientMap, TransientSet } from '../../src/transient-map.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import type { HandOver } from '../intake/hand-over.ts';
import { LogUnavailable } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import type { ClusterTurns } from './turns.ts';

/** At most this many looks begin at a time: enough to keep the servers busy, and no stampede. */
const MAX_BEGINNING = 64;
/** One that takes longer has begun: an effect may take hours, and others must not wait for it. */
const BEGUN_MS = 200;
/** At most this many are under way. */
const MAX_UNDER_WAY = 5_000;
/** What has been due for so long is done by any replica, even one that has much to do itself. */
const ANYWAY_MS = 60_000;
/** An instance that cannot go on now is looked at again after this long. */
const PUT_OFF_MS = 10_000;
/** One that could not be looked at, because of an error, rests for this long. */
const REST_MS = 5_000;
/** Beyond this many, the one that has rested longest is looked at again earlier. */
const MAX_RESTING = 10_000;

/** How a look ended: as `HeldInstance.proceed` says, or it was another replica's turn. */
export type Looked = 'done' | 'busy' | 'left' | 'unavailable' | 'not_mine' | 'failed';

/** What {@link Looks} needs from the rest of the replica. */
export interface LooksOptions {
  turns: Pick<ClusterTurns, 'mineToAct' | 'take'>;
  leases: Pick<Leases, 'notLeading'>;
  clock: Clock;
  logger: Logger;
  held: (holding: Holding) => HeldInstance;
  /** Gives up an instance whose next cell this replica cannot run. */
  handOver: Pick<HandOver, 'handOver'>;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/**
 * Looks at instances that may go on by themselves, each under its lease, and lets them. A few begin
 * at the same time, whatever is due; an instance is looked at once at a time.
 */
export class Looks {
  readonly #options: LooksOptions;
  readonly #underWay = new TransientMap<string, Promise<Looked>>();
  readonly #restingUntilMs = new TransientMap<string, number>();
  #beginning = 0;
  #stopped = false;
  readonly #waiting = new TransientSet<() => void>();
  readonly #trouble: TroubleLog;

  constructor(options: LooksOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const happens = 'internal error while an instance went on by itself';
    this.#trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
  }

  /** How many looks are under way. */
  get size(): number {
    return this.#underWay.size;
  }

  /** Whether it is this replica's turn to look at the instance, and nothing is under way. */
  wants(instanceId: string, overdueMs: number): boolean {
    if (this.#underWay.has(instanceId)) return false;
    const untilMs = this.#restingUntilMs.get(instanceId);
    if (untilMs !== undefined) {
      if (untilMs > this.#options.clock.monotonicMs()) return false;
      this.#restingUntilMs.delete(instanceId);
    }
    return this.#options.turns.mineToAct(instanceId, overdueMs);
  }

  /** Begins nothing more of the pages that were given. */
  stop(): void {
    this.#stopped = true;
  }

  /**
   * Begins looks at those of a page for which it is this replica's turn. Only if there are none it
   * helps with what others have left for long, from the other end, so that the two rarely meet: a
   * replica that has much to do looks the same from here as one that does nothing.
   *
   * @param onEnd called when a look has ended
   */
  async lookAtPage(
    page: readonly { instanceId: string; overdueMs: number }[],
    onEnd: (instanceId: string, looked: Looked) => void = () => undefined,
  ): Promise<void> {
    const own = page.filter(({ instanceId }) => this.wants(instanceId, 0));
    const left = page.filter(({ overdueMs }) => own.length === 0 || overdueMs >= ANYWAY_MS);
    for (const { instanceId, overdueMs } of [...own, ...left.toReversed()]) {
      if (this.#stopped) return;
      if (!this.wants(instanceId, overdueMs)) continue;
      await this.room();
      void this.look(instanceId, overdueMs).then((looked) => onEnd(instanceId, looked));
    }
  }

  /** Resolves when one more look may begin. */
  async room(): Promise<void> {
    while (this.#beginning >= MAX_BEGINNING || this.#underWay.size >= MAX_UNDER_WAY)
      await new Promise<void>((resolve) => void this.#waiting.add(resolve));
  }

  /** Looks at an instance; joins the look that is under way. */
  look(instanceId: string, overdueMs = 0): Promise<Looked> {
    const underWay = this.#underWay.get(instanceId);
    if (underWay !== undefined) return underWay;
    const look = this.#look(instanceId, overdueMs);
    this.#underWay.set(instanceId, look);
    this.#beginning += 1;
    let beginning = true;
    const begun = (): void => {
      if (beginning) this.#beginning -= 1;
      beginning = false;
      this.#wakeOne();
    };
    const timer = this.#options.clock.after(BEGUN_MS, begun);
    void look.then((looked) => {
      timer.cancel();
      this.#underWay.delete(instanceId);
      this.#options.count({ what: 'due', outcome: looked });
      begun();
    });
    return look;
  }

  #wakeOne(): void {
    for (const resolve of this.#waiting) {
      this.#waiting.delete(resolve);
      resolve();
      return;
    }
  }

  async #look(instanceId: string, overdueMs: number): Promise<Looked> {
    const { turns, leases, held, handOver, logTrouble } = this.#options;
    try {
      if (leases.notLeading() !== undefined) return 'not_mine';
      const holding = await turns.take(instanceId, overdueMs);
      if (holding === undefined) return 'not_mine';
      const instance = held(holding);
      const looked = await instance.proceed();
      if (typeof looked === 'object') {
        // The replica that is named finds it due, too.
        if (!(await handOver.handOver(holding, looked))) return 'not_mine';
        await this.#putOff(instanceId, instance);
        return 'unavailable';
      }
      if (looked === 'unavailable') await this.#putOff(instanceId, instance);
      this.#trouble.end();
      return looked;
    } catch (cause) {
      this.#rest(instanceId, REST_MS);
      if (cause instanceof LogUnavailable) logTrouble(cause);
      else this.#trouble.add(errorText(cause), { err: cause, instanceId });
      return 'failed';
    }
  }

  /** In Postgres, so that no other replica looks; and here, in case its log cannot be used. */
  async #putOff(instanceId: string, instance: HeldInstance): Promise<void> {
    this.#rest(instanceId, PUT_OFF_MS);
    await instance.putOff(PUT_OFF_MS);
  }

  #rest(instanceId: string, forMs: number): void {
    this.#restingUntilMs.set(instanceId, this.#options.clock.monotonicMs() + forMs);
    if (this.#restingUntilMs.size <= MAX_RESTING) return;
    for (const oldest of this.#restingUntilMs.keys()) {
      this.#restingUntilMs.delete(oldest);
      break;
    }
  }
}
