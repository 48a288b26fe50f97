import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Child } from '../../src/execution/children.ts';
import { storableText } from '../../src/json.ts';
import type { ParentCancel } from '../log/children.ts';
import { LogUnavailable, type Log } from '../log/log.ts';
import type { CancelRequest } from './pending-cancels.ts';

/** At most this many children of one parent are asked to end at the same time. */
const AT_ONCE = 50;
/** A child that has not ended by then is asked again. */
const ASK_AGAIN_MS = 5_000;
const LOOK_AGAIN_MS = 200;
/** If no child ends for this long, it gives up, and is asked to begin again. */
const GIVE_UP_MS = 60_000;

/** How long a child waits for its running attempt to end; its parent asks again. */
const CHILD_CANCEL_MS = 10_000;
/** Reasons are kept up to this many characters. */
const MAX_REASON = 4_096;

/** The cancel of a child whose parent was cancelled together with its children. */
export function cancelByParent(
  { parentId, reason }: ParentCancel,
  arrivedAtMs: number,
): CancelRequest {
  return {
    by: '@parent',
    reason: storableText(`${parentId} was cancelled: ${reason}`.slice(0, MAX_REASON)),
    children: true,
    arrivedAtMs,
    remembered: true,
    expiresAtMs: arrivedAtMs + CHILD_CANCEL_MS,
  };
}

/** What {@link ChildCancels} needs. */
export interface ChildCancelsOptions {
  log: Pick<Log, 'children'>;
  clock: Clock;
  logger: Logger;
  /** Asks the child's holder to look whether its parent is cancelled; best effort. */
  askToSettle: (instanceId: string) => void;
  logTrouble: (cause: unknown) => void;
  draining: AbortSignal;
}

/**
 * Has the children of cancelled parents cancelled, each under its own lease: a few at a time, until
 * all have ended. Nothing depends on it: a note in Postgres says that they are to be cancelled, and
 * outlives this replica.
 */
export class ChildCancels {
  readonly #options: ChildCancelsOptions;
  readonly #parents = new Set<string>();

  constructor(options: ChildCancelsOptions) {
    this.#options = options;
  }

  /** The log of this instance says that its children are cancelled with it. */
  add(parentId: string): void {
    if (this.#parents.has(parentId)) return;
    this.#parents.add(parentId);
    void this.#run(parentId).finally(() => this.#parents.delete(parentId));
  }

  async #run(parentId: string): Promise<void> {
    const { logger, logTrouble } = this.#options;
    try {
      const left = await this.#askAll(parentId);
      if (left.length === 0) return;
      const fields = { instanceId: parentId, left: left.length, first: left[0]?.instanceId };
      logger.warn(fields, 'children of a cancelled instance do not end; they are asked again');
    } catch (cause) {
      if (cause instanceof LogUnavailable) logTrouble(cause);
      const fields = { instanceId: parentId, why: errorText(cause) };
      logger.warn(fields, 'could not cancel the children; trying again');
    }
  }

  /** Returns the children that it leaves alive. */
  async #askAll(parentId: string): Promise<Child[]> {
    const { log, clock, askToSettle, draining } = this.#options;
    const askedAtMs = new Map<string, number>();
    let [fewest, fewestAtMs] = [Infinity, clock.monotonicMs()];
    for (;;) {
      const live = (await log.children.of(parentId)).filter(({ ending }) => ending === undefined);
      if (live.length === 0 || draining.aborted) return [];
      const nowMs = clock.monotonicMs();
      if (live.length < fewest) [fewest, fewestAtMs] = [live.length, nowMs];
      if (nowMs - fewestAtMs > GIVE_UP_MS) return live;
      const mayAsk = ({ instanceId }: Child): boolean =>
        nowMs - (askedAtMs.get(instanceId) ?? -Infinity) >= ASK_AGAIN_MS;
      for (const { instanceId } of live.filter(mayAsk).slice(0, AT_ONCE)) {
        askedAtMs.set(instanceId, nowMs);
        askToSettle(instanceId);
      }
      await clock.sleep(LOOK_AGAIN_MS, draining);
    }
  }
}
