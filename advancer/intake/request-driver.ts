import type { Json } from '../../src/json.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Clock } from '../../src/time/clock.ts';
import { LogUnavailable } from '../log/log.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import type { ClusterView } from './cluster-view.ts';
import { errorReply } from './operations.ts';
import type { Peers } from './peers.ts';
import type { HandOver } from './hand-over.ts';
import { LeaseTaker, RETRY_MS, type LeaseTakerOptions } from './lease-taker.ts';
import type { Operation, PendingRequest, Served } from './pending-request.ts';
import type { PendingTable } from './pending-table.ts';
import { logPending } from './request-lines.ts';
import { refusalWaitMs } from './turn.ts';

const ASK_AGAIN = 'Ask again with the same request id.';
/** How long each replica before this one has to say that there is no such instance. */
const NOT_FOUND_GRACE_MS = 500;
/** Nobody waits for longer; an expiry may lie a day ahead. */
const MAX_FORWARD_TIMEOUT_MS = 600_000;

/** What the driver needs from the rest of the replica. */
export interface RequestDriverOptions extends LeaseTakerOptions {
  /** Where a request is forgotten once it is settled. */
  pending: PendingTable;
  view: ClusterView;
  peers: Pick<Peers, 'reachable' | 'forward'>;
  /** Gives up an instance whose next cell this replica cannot run. */
  handOver: Pick<HandOver, 'handOver'>;
  clock: Clock;
  /** How long a session lives without a keep-alive. */
  ttlMs: number;
  /** The one runner of an instance under a holding. */
  held: (holding: Holding) => HeldInstance;
  /** Announces to the other replicas that a request is answered, and whether the log has it. */
  announceAnswered: (key: string, recorded: boolean) => void;
  /** Why the log cannot be used now, as far as is known. */
  logUnavailable: () => string | undefined;
}

/**
 * Drives each pending request until it is settled: serves it if this replica holds the instance,
 * otherwise waits for its turn and acquires or takes over the lease.
 */
export class RequestDriver {
  readonly #options: RequestDriverOptions;
  readonly #leaseTaker: LeaseTaker;
  #notLeadingFromMs: number | undefined;
  #closed = false;

  constructor(options: RequestDriverOptions) {
    this.#options = options;
    this.#leaseTaker = new LeaseTaker(options);
  }

  /** Starts on a request. */
  start(pending: PendingRequest): void {
    void this.#run(pending);
  }

  /** Acquires and starts nothing more; a request that is being served goes on. */
  close(): void {
    this.#closed = true;
  }

  /** The reply to a direct request on an instance that this replica does not hold. */
  decline({ instanceId }: Operation): Json {
    const { leases, count } = this.#options;
    count({ what: 'declined' });
    const message = `replica ${leases.replicaId} does not hold instance ${instanceId}; broadcast the request`;
    return errorReply({ code: 'conflict', message });
  }

  async #run(pending: PendingRequest): Promise<void> {
    const { clock, logger } = this.#options;
    const sinceMs = clock.monotonicMs();
    try {
      await this.#drive(pending);
    } catch (cause) {
      this.#fail(pending, cause);
    } finally {
      this.#options.pending.remove(pending);
      logPending(logger, pending, clock.monotonicMs() - sinceMs);
    }
  }

  async #drive(pending: PendingRequest): Promise<void> {
    const { leases, view, clock } = this.#options;
    const { instanceId, expiresAtMs } = pending.operation;
    if (clock.wallMs() > expiresAtMs) {
      if (pending.direct || view.isFirst(instanceId))
        this.#refuse(pending, 'expired', 'the request had expired when it arrived');
      return;
    }
    while (!pending.settled) {
      const holding = leases.holding(instanceId);
      if (holding !== undefined && !this.#closed) {
        if (await this.#serve(pending, holding)) return;
        pending.turnsFromMs = clock.monotonicMs();
        continue;
      }
      if (pending.direct) {
        pending.answer(this.decline(pending.operation));
        return;
      }
      if (this.#closed || clock.wallMs() > expiresAtMs) return;
      pending.remembered = true;
      const pauseMs = await this.#takeTurn(pending);
      if (pending.settled || pauseMs === 0) continue;
      const untilExpiryMs = expiresAtMs - clock.wallMs() + 1;
      await pending.pauseUntilWoken(clock, Math.max(1, Math.min(pauseMs, untilExpiryMs)));
    }
  }

  /** Serves it under the holding; false when the holding was lost meanwhile. */
  async #serve(pending: PendingRequest, holding: Holding): Promise<boolean> {
    const { clock, held } = this.#options;
    try {
      const served = await pending.operation.serve(held(holding), pending);
      if (served.kind === 'handed_on') {
        // Handed on and still trusted: this replica is draining.
        if (holding.trusted() && !this.#closed) await clock.sleep(RETRY_MS);
        return false;
      }
      if (served.kind === 'wrong_replica') return await this.#handOver(pending, holding, served);
      if (served.kind === 'no_instance') {
        // The lease was another replica's before.
        this.#announceAnswered(pending, false);
        pending.answer(served.reply);
        await this.#options.leases.release(holding, 'there is no such instance');
        return true;
      }
      this.#announceAnswered(pending, served.recorded);
      pending.answer(served.reply);
      return true;
    } catch (cause) {
      if (!(cause instanceof LogUnavailable)) throw cause;
      this.#refuseWithoutLog(pending, cause);
      return true;
    }
  }

  #refuseWithoutLog(pending: PendingRequest, cause: LogUnavailable): void {
    this.#options.logTrouble(cause);
    this.#refuse(pending, 'unavailable', `Postgres does not answer. ${ASK_AGAIN}`);
  }

  /** Leaves the request to a replica that can serve it; true when there is none. */
  #handOver(
    pending: PendingRequest,
    holding: Holding,
    { wrong, refusal }: Extract<Served, { kind: 'wrong_replica' }>,
  ): Promise<boolean> {
    return this.#options.handOver.handOver(holding, wrong, () => {
      this.#announceAnswered(pending, false);
      pending.answer(refusal());
    });
  }

  /**
   * Does what is this replica's turn for a request on an instance that it does not hold. Returns
   * after how many milliseconds to look again; 0 for at once.
   */
  async #takeTurn(pending: PendingRequest): Promise<number> {
    const { leases, view, peers, clock, logUnavailable } = this.#options;
    const { instanceId } = pending.operation;
    const notLeading = leases.notLeading() ?? logUnavailable();
    if (notLeading !== undefined) return this.#waitOrRefuse(pending, notLeading);
    this.#notLeadingFromMs = undefined;
    const unfit = pending.operation.runsEffects ? view.avoids(instanceId) : undefined;
    // The replica that was named as able to serve it may not have received the broadcast.
    const named = unfit === undefined ? undefined : view.named(instanceId);
    if (named !== undefined) this.#forward(pending, named);
    const turn = view.turn(instanceId, pending.turnsFromMs, clock.monotonicMs());
    if (unfit !== undefined && turn.kind !== 'wait') {
      // It takes over from nobody either.
      return turn.kind === 'ping' ? turn.againMs : this.#leaveToOthers(pending, unfit);
    }
    switch (turn.kind) {
      case 'wait':
        return turn.forMs;
      case 'acquire':
        return this.#acquire(pending);
      case 'replace':
        return this.#leaseTaker.replace(pending, turn.lease, 'took over from one that drains');
      case 'ping':
        if (!(await peers.reachable(turn.holderId))) return this.#leaseTaker.takeOver(pending);
        if (turn.forward) this.#forward(pending, turn.holderId);
        return turn.againMs;
    }
  }

  /**
   * This replica cannot run what comes next: leaves the request to the others, and answers if none
   * of them takes it up. Returns after how many milliseconds to look again.
   */
  #leaveToOthers(pending: PendingRequest, why: string): number {
    const { clock, view, ttlMs } = this.#options;
    const { instanceId } = pending.operation;
    const othersMay = view.othersMayRun(instanceId);
    if (othersMay) {
      // One that has died is no longer registered by then.
      const { turnsFromMs } = pending;
      const rank = view.rank(instanceId);
      const waitMs = refusalWaitMs(rank, turnsFromMs, turnsFromMs, ttlMs, clock.monotonicMs());
      if (waitMs > 0) return waitMs;
    }
    const who = othersMay
      ? 'no other replica took up the request, and this one cannot run the next cell'
      : 'no live replica can run the next cell now';
    const message = `${who}: ${why}. Ask again with the same request id.`;
    this.#refuse(pending, 'unavailable', message);
    return 0;
  }

  /**
   * Forwards the request to a holder that is alive but has not answered: it may not have received
   * the broadcast. A holder that did receive it joins the two; the first answer counts.
   */
  #forward(pending: PendingRequest, holderId: string): void {
    const { clock, peers } = this.#options;
    const broadcast = pending.operation.forward?.();
    if (broadcast === undefined || pending.forwardedTo === holderId) return;
    pending.forwardedTo = holderId;
    const untilExpiryMs = Math.max(1_000, pending.operation.expiresAtMs - clock.wallMs());
    const timeoutMs = Math.min(MAX_FORWARD_TIMEOUT_MS, untilExpiryMs);
    void peers.forward(holderId, broadcast, timeoutMs).then((reply) => {
      if (reply !== undefined && !pending.settled) pending.answer(reply);
    });
  }

  async #acquire(pending: PendingRequest): Promise<number> {
    try {
      const waitMs = await this.#leaseTaker.acquire(pending);
      if (waitMs !== 'no_instance') return waitMs;
      const graceMs = this.#graceForOthersMs(pending);
      if (graceMs > 0) return graceMs;
      const why = `there is no instance ${pending.operation.instanceId}`;
      this.#refuse(pending, 'not_found', why);
    } catch (cause) {
      if (!(cause instanceof LogUnavailable)) throw cause;
      this.#refuseWithoutLog(pending, cause);
    }
    return 0;
  }

  /**
   * How much longer those before this replica have to say that there is no such instance: no lease
   * keeps two replicas from saying so.
   */
  #graceForOthersMs({ operation, turnsFromMs }: PendingRequest): number {
    const { clock, view } = this.#options;
    const dueMs = turnsFromMs + view.rank(operation.instanceId) * NOT_FOUND_GRACE_MS;
    return Math.max(0, dueMs - clock.monotonicMs());
  }

  /**
   * This replica cannot lead: waits until the others have had time to, then answers that no replica
   * can.
   */
  #waitOrRefuse(pending: PendingRequest, why: string): number {
    const { clock, view, ttlMs } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#notLeadingFromMs ??= nowMs;
    const rank = view.rank(pending.operation.instanceId);
    const { turnsFromMs } = pending;
    const waitMs = refusalWaitMs(rank, turnsFromMs, this.#notLeadingFromMs, ttlMs, nowMs);
    if (waitMs > 0) return waitMs;
    this.#refuse(pending, 'unavailable', `no replica can lead: ${why}. ${ASK_AGAIN}`);
    return 0;
  }

  #refuse(
    pending: PendingRequest,
    outcome: 'unavailable' | 'expired' | 'not_found',
    why: string,
  ): void {
    this.#announceAnswered(pending, false);
    pending.answer(pending.operation.refusal(outcome, why));
  }

  /** Lets the other replicas forget the request; a direct one they never knew. */
  #announceAnswered(pending: PendingRequest, recorded: boolean): void {
    if (!pending.direct) this.#options.announceAnswered(pending.operation.key, recorded);
  }

  #fail(pending: PendingRequest, cause: unknown): void {
    const { instanceId, requestId } = pending.operation;
    const fields = { instanceId, requestId, err: cause };
    this.#options.logger.error(fields, 'internal error while serving a request');
    this.#refuse(pending, 'unavailable', `internal error; see the replica's log. ${ASK_AGAIN}`);
  }
}
