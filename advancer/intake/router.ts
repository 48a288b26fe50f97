import { jsonOf, type Json } from '../../src/json.ts';
import type { RecentReceipts } from '../run/recent-receipts.ts';
import { recordedFor } from '../run/receipts.ts';
import { instanceOfKey } from './operations.ts';
import type { Operation, PendingRequest } from './pending-request.ts';
import { PendingTable } from './pending-table.ts';
import type { Placed } from './placements.ts';
import type { Quota, Refused } from './quota.ts';
import { RequestDriver, type RequestDriverOptions } from './request-driver.ts';
import { FORWARD_AFTER_MS, HOLDER_GRACE_MS } from './turn.ts';
import type { UnreadBroadcast } from './unread-broadcast.ts';
import { UnreadTable } from './unread-table.ts';
import { WaitingRoom } from './waiting-room.ts';

/** How long the reply to a forwarded request may take after it was announced as answered. */
const FORWARDED_REPLY_MS = 1_000;

/** Every replica's turn has come for a request that has waited for so long. */
const LATE_MS = 10_000;

/** What the router needs from the rest of the replica: what its driver needs, and a little more. */
export interface RouterOptions extends Omit<RequestDriverOptions, 'pending'> {
  /** What may be remembered. */
  quota: Quota;
  /** The newest receipts, by request id. */
  receipts: Pick<RecentReceipts, 'get'>;
}

/**
 * Routes each request to the replica that acts on it: the holder, or, if nobody holds the instance,
 * the live replica that ranks first for it. The others remember a broadcast and step in, in rank
 * order, when no lease appears or the holder's lease vanishes. A request that was sent to this
 * replica alone is served as the holder or declined.
 *
 * What is remembered is in {@link PendingTable} and {@link UnreadTable}; whose turn it is in
 * `turn.ts`; acting on a request is in {@link RequestDriver}. The router connects them to what
 * happens: a message arrives, a request is answered, a lease vanishes, a replica drains.
 *
 * Routing decides nothing about safety: of two replicas that both act, the lease admits one, and of
 * two terms that both write, the log.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #pending: PendingTable;
  readonly #unread: UnreadTable;
  readonly #driver: RequestDriver;
  readonly #waitingRoom: WaitingRoom;
  #closed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#pending = new PendingTable(options.quota);
    this.#unread = new UnreadTable(options.quota);
    this.#driver = new RequestDriver({ ...options, pending: this.#pending });
    this.#waitingRoom = new WaitingRoom(options.clock, HOLDER_GRACE_MS, FORWARD_AFTER_MS);
    // A replica that dies takes all its leases with it: look at ranks once all of that is seen.
    options.leases.onVanished((instanceId) => {
      if (this.#pending.ofInstance(instanceId) !== undefined || this.#unread.has(instanceId))
        queueMicrotask(() => this.#restartTurns(instanceId));
    });
  }

  /**
   * Takes a broadcast as it arrived. One that another replica has to serve stays unread until its
   * wait is over or something happens to its instance.
   */
  receive(unread: UnreadBroadcast): void {
    if (this.#closed) return;
    const { view, clock } = this.#options;
    const holder = view.otherHolder(unread.instanceId);
    if (holder === undefined) this.#read(unread, clock.monotonicMs());
    else if (this.#unread.add(unread))
      unread.waiter = this.#waitingRoom.enter(holder, (quietSinceMs) =>
        this.#read(unread, quietSinceMs),
      );
    else if (unread.operation !== undefined) this.take(unread.operation, unread.reply);
  }

  /**
   * Takes a request, or joins it to the same one that is remembered already.
   *
   * @param forwarded whether another replica remembered it before
   */
  take(operation: Operation, reply: (body: Json) => void, forwarded = false): void {
    const pending = this.#remember(operation, reply, this.#options.clock.monotonicMs());
    if (pending === undefined) return;
    pending.remembered = forwarded;
    this.#begin(pending, false);
  }

  /**
   * Takes a request that was sent to this replica alone, as the presumed holder. It is served under
   * the holding or declined at once: its sender can broadcast it, and knows which replies it has
   * had meanwhile, which no replica does.
   */
  takeDirect(operation: Operation, reply: (body: Json) => void): void {
    if (this.#closed) {
      reply(this.#driver.decline(operation));
      return;
    }
    const pending = this.#remember(operation, reply, this.#options.clock.monotonicMs(), true);
    if (pending !== undefined) this.#driver.start(pending);
  }

  /** Whether serving an instance is up to this replica, as far as it sees. */
  serves(instanceId: string): boolean {
    const { leases, view } = this.#options;
    if (leases.holding(instanceId) !== undefined) return true;
    return view.otherHolder(instanceId) === undefined && view.isFirst(instanceId);
  }

  /**
   * Takes a request that is stored until it is settled. Resolves once there is nothing left to do
   * for it here, whatever became of it: the log knows.
   *
   * @param late whether no other replica can be expected to act on it by itself
   */
  takeStored(operation: Operation, late: boolean): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const known = this.#pending.get(operation.key);
    const pending =
      known?.settled === false
        ? known
        : this.#remember(operation, () => undefined, late ? nowMs - LATE_MS : nowMs);
    if (pending === undefined) return Promise.resolve();
    const settled = new Promise<void>((resolve) => pending.onSettled(resolve));
    if (pending !== known) this.#begin(pending, late);
    return settled;
  }

  /** Starts on a request, once its holder has had its time. */
  #begin(pending: PendingRequest, late: boolean): void {
    const holder = this.#options.view.otherHolder(pending.operation.instanceId);
    if (holder === undefined || late) this.#driver.start(pending);
    else
      pending.waiter = this.#waitingRoom.enter(holder, (quietSinceMs) => {
        pending.turnsFromMs = quietSinceMs;
        this.#driver.start(pending);
      });
  }

  /**
   * Another replica has answered requests. Returns whether any of them was remembered here: then
   * that replica receives broadcasts.
   */
  answered(keys: readonly string[], by: string): boolean {
    let any = false;
    for (const key of keys) {
      const pending = this.#pending.get(key);
      if (pending !== undefined) {
        any = true;
        this.#settleAnswered(pending, by);
      }
      for (const unread of this.#unread.ofInstance(instanceOfKey(key))) {
        if (unread.operation?.key !== key) continue;
        any = true;
        this.#removeUnread(unread);
      }
    }
    if (any) this.#waitingRoom.holderAnswered(by);
    return any;
  }

  /**
   * A replica announced that it is draining.
   *
   * @param busy the instances that it still has attempts of
   */
  draining(replicaId: string, busy: ReadonlySet<string>): void {
    const { view, clock } = this.#options;
    view.setDraining(replicaId, busy);
    for (const unread of this.#unread.all()) {
      if (view.isHeldBy(unread.instanceId, replicaId)) this.#read(unread, clock.monotonicMs());
    }
    for (const pending of this.#pending.all()) {
      const { instanceId } = pending.operation;
      if (view.isHeldBy(instanceId, replicaId) && !busy.has(instanceId))
        this.#restartTurn(pending, view.isFirst(instanceId));
      // Where it ranked first, the next one is first now.
      else pending.wake();
    }
  }

  /** A replica cannot run an instance's next cell, and may have named one that can. */
  placed(placed: Placed): void {
    const { view } = this.#options;
    view.place(placed);
    // Where this replica is first now, its turn has come.
    for (const pending of this.#pending.ofInstance(placed.instanceId) ?? []) pending.wake();
  }

  /** How many requests are remembered. */
  get remembered(): number {
    return this.#options.quota.requests;
  }

  /** Takes nothing more, and forgets what others will serve; what is being served goes on. */
  close(): void {
    this.#closed = true;
    this.#driver.close();
    for (const unread of this.#unread.all()) this.#removeUnread(unread);
    for (const pending of this.#pending.all()) {
      if (pending.waiter !== undefined) this.#waitingRoom.admitNow(pending.waiter);
      pending.wake();
    }
  }

  /** Parses a broadcast and starts on the request. */
  #read(unread: UnreadBroadcast, turnsFromMs: number): void {
    this.#removeUnread(unread);
    const { operation } = unread;
    const pending =
      operation === undefined ? undefined : this.#remember(operation, unread.reply, turnsFromMs);
    if (pending !== undefined) this.#driver.start(pending);
  }

  #removeUnread(unread: UnreadBroadcast): void {
    if (unread.waiter === undefined) return;
    this.#waitingRoom.leave(unread.waiter);
    unread.waiter = undefined;
    this.#unread.remove(unread);
  }

  /** Undefined when the request was joined to one that is remembered already, or is refused. */
  #remember(
    operation: Operation,
    reply: (body: Json) => void,
    turnsFromMs: number,
    direct = false,
  ): PendingRequest | undefined {
    if (this.#closed) return undefined;
    const remembered = this.#pending.add(operation, reply, turnsFromMs, direct);
    switch (remembered.kind) {
      case 'new':
        return remembered.pending;
      case 'joined':
        if (!remembered.allAnswered) this.#options.count({ what: 'over_limit', limit: 'senders' });
        return undefined;
      case 'refused':
        this.#refuse(operation, reply, direct, remembered.refused);
        return undefined;
    }
  }

  /**
   * Answers a request that is one too many, if answering it is up to this replica: it holds the
   * instance, or nobody does and it ranks first. Nothing was run for it here. If it was answered
   * before, and that is still known, it gets that answer.
   */
  #refuse(
    operation: Operation,
    reply: (body: Json) => void,
    direct: boolean,
    { limit, why }: Refused,
  ): void {
    const { leases, view, receipts, count, announceAnswered } = this.#options;
    const { instanceId, requestId } = operation;
    count({ what: 'over_limit', limit });
    const holds = leases.holding(instanceId) !== undefined;
    if (direct && !holds) {
      reply(this.#driver.decline(operation));
      return;
    }
    if (!holds && (view.otherHolder(instanceId) !== undefined || !view.isFirst(instanceId))) return;
    const receipt = requestId === undefined ? undefined : receipts.get(requestId);
    if (!direct) announceAnswered(operation.key, receipt !== undefined);
    reply(
      requestId === undefined || receipt === undefined
        ? operation.refusal('unavailable', why)
        : jsonOf(recordedFor({ instanceId, requestId }, receipt)),
    );
  }

  #settleAnswered(pending: PendingRequest, by: string): void {
    pending.answeredElsewhere = true;
    if (pending.waiter !== undefined && this.#waitingRoom.leave(pending.waiter))
      this.#pending.remove(pending);
    else if (pending.forwardedTo !== by) pending.settle();
    // The request was forwarded to that replica, so its reply comes here and goes on to the agent.
    else void this.#options.clock.sleep(FORWARDED_REPLY_MS).then(() => pending.settle());
  }

  /** The lease of an instance vanished: the turns for its requests start again. */
  #restartTurns(instanceId: string): void {
    const { view, clock } = this.#options;
    for (const unread of this.#unread.ofInstance(instanceId))
      this.#read(unread, clock.monotonicMs());
    const ofInstance = this.#pending.ofInstance(instanceId);
    if (ofInstance === undefined) return;
    const first = view.isFirst(instanceId);
    for (const pending of ofInstance) this.#restartTurn(pending, first);
  }

  #restartTurn(pending: PendingRequest, first: boolean): void {
    pending.turnsFromMs = this.#options.clock.monotonicMs();
    // For the other ranks the turn comes later, so nothing changes for them in the waiting room.
    if (first && pending.waiter !== undefined) this.#waitingRoom.admitNow(pending.waiter);
    pending.wake();
  }
}
