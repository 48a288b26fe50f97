import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import type { DueLines, Wake } from '../log/due.ts';
import { LogUnavailable, type Log } from '../log/log.ts';
import type { Looks } from './looks.ts';
import type { ClusterTurns } from './turns.ts';

const PAGE_SIZE = 500;
/** Reading who waits takes at most one part in this many of the time, however many they are. */
const IDLE_FACTOR = 10;

/** What {@link Wakes} needs from the rest of the replica. */
export interface WakesOptions {
  lines: DueLines;
  log: Pick<Log, 'children'>;
  turns: Pick<ClusterTurns, 'mine'>;
  looks: Pick<Looks, 'wants' | 'room' | 'look' | 'lookAtPage'>;
  /** Has the children of a cancelled instance cancelled. */
  cancelChildren: (parentId: string) => void;
  clock: Clock;
  logger: Logger;
  logTrouble: (cause: unknown) => void;
}

/**
 * Acts on notes of what somebody waits for: looks at everybody who waits, as far as it is this
 * replica's turn, and forgets a note only once all of them were looked at after it was read. So a
 * note outlives a replica that dies on the way.
 */
export class Wakes {
  readonly #options: WakesOptions;
  readonly #atWork = new Set<string>();
  #stopped = false;
  /** Notes that were gone through, by their ids: not again before then. */
  readonly #fromMs = new Map<string, number>();
  readonly #trouble: TroubleLog;

  constructor(options: WakesOptions) {
    const { clock, logger } = options;
    this.#options = options;
    const happens = 'internal error while waking who waits';
    this.#trouble = new TroubleLog({ clock, logger, happens, level: 'error' });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Acts on the notes, except those that it is at work on; what is left is found again. */
  take(wakes: readonly Wake[]): void {
    if (this.#stopped) return;
    const noted = new Set(wakes.map(({ wakeId }) => wakeId));
    for (const wakeId of this.#fromMs.keys()) if (!noted.has(wakeId)) this.#fromMs.delete(wakeId);
    for (const wake of wakes) {
      // One that many wait for does not hold up the others.
      if (wake.kind === 'claim') this.#once(wake.wakeId, () => this.#wakeClaim(wake));
    }
    const of = (kind: Wake['kind']): Wake[] => wakes.filter((wake) => wake.kind === kind);
    this.#once('parents', () => this.#wakeParents(of('child_ended')));
    this.#once('cancels', () => this.#cancelChildren(of('cancel_children')));
  }

  #once(key: string, work: () => Promise<void>): void {
    if (this.#atWork.has(key)) return;
    this.#atWork.add(key);
    void work()
      .then(
        () => this.#trouble.end(),
        (cause: unknown) => {
          if (cause instanceof LogUnavailable) this.#options.logTrouble(cause);
          else this.#trouble.add(errorText(cause), { err: cause });
        },
      )
      .finally(() => this.#atWork.delete(key));
  }

  async #wakeClaim(wake: Wake): Promise<void> {
    const { lines, turns, clock } = this.#options;
    if ((this.#fromMs.get(wake.wakeId) ?? 0) > clock.monotonicMs()) return;
    const readingMs = await this.#wakeWaiters(wake);
    this.#fromMs.set(wake.wakeId, clock.monotonicMs() + IDLE_FACTOR * readingMs);
    if (turns.mine(wake.id, wake.sinceMs)) await lines.forgetServed([wake.wakeId]);
  }

  /** Returns how long it took to read who waits. */
  async #wakeWaiters(wake: Wake): Promise<number> {
    const { lines, looks, clock } = this.#options;
    let readingMs = 0;
    for (let after: string | undefined = ''; after !== undefined;) {
      const sinceMs = clock.monotonicMs();
      const ids: string[] = await lines.woken(wake, PAGE_SIZE, after);
      readingMs += clock.monotonicMs() - sinceMs;
      const page = ids.map((instanceId) => ({ instanceId, overdueMs: wake.sinceMs }));
      await looks.lookAtPage(page);
      if (this.#stopped) return readingMs;
      after = ids.length < PAGE_SIZE ? undefined : ids.at(-1);
    }
    return readingMs;
  }

  /** Many children of one parent may have ended: one look at it is for all of them. */
  async #wakeParents(wakes: readonly Wake[]): Promise<void> {
    const { looks, lines } = this.#options;
    const byParent = new Map<string, Wake[]>();
    for (const wake of wakes) {
      const known = byParent.get(wake.id);
      if (known === undefined) byParent.set(wake.id, [wake]);
      else known.push(wake);
    }
    for (const [parentId, own] of byParent) {
      if (this.#stopped) return;
      if (!looks.wants(parentId, own[0]!.sinceMs)) continue;
      const ids = own.map(({ wakeId }) => wakeId);
      // The newest stands for all that were read with it, also if the parent is busy for long.
      if (ids.length > 1) await lines.forget(ids.slice(0, -1));
      await looks.room();
      // A look that takes long has begun an effect: the note is forgotten later.
      void looks
        .look(parentId, own[0]!.sinceMs)
        .then((looked) =>
          looked === 'done' || looked === 'left' ? lines.forget(ids.slice(-1)) : undefined,
        )
        .catch((cause: unknown) => this.#options.logTrouble(cause));
    }
  }

  async #cancelChildren(wakes: readonly Wake[]): Promise<void> {
    const { lines, log, turns, cancelChildren } = this.#options;
    for (const { wakeId, id, sinceMs } of wakes) {
      if (this.#stopped || !turns.mine(id, sinceMs)) continue;
      const children = await log.children.of(id);
      if (children.some(({ ending }) => ending === undefined)) cancelChildren(id);
      else await lines.forget([wakeId]);
    }
  }
}
