import type { Leases } from '../../coordinator/leases.ts';
import type { Logger } from '../../src/logger.ts';
import { TransientMap } from '../../src/transient-map.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { Json } from '../../src/json.ts';
import type { Holding } from '../../src/lease/holding.ts';
import { rankOf } from '../../src/lease/rank.ts';
import { LogUnavailable, type Log } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import { PendingRequest, type Operation } from './pending-request.ts';
import { errorReply, instanceOfKey } from './operations.ts';
import type { UnreadBroadcast } from './unread-broadcast.ts';
import { WaitingRoom } from './waiting-room.ts';
import type { Peers } from './peers.ts';

/** How long each rank waits for the one before it. */
const TURN_MS = 100;
/**
 * How long a holder that looks alive has before somebody asks whether it is: from when the request
 * came, or from when it was last heard to have answered another. Longer than it waits to tell of
 * its answers.
 */
const GRACE_MS = 80;
/** How often a request that somebody else serves is looked at again. */
const LOOK_AGAIN_MS = 500;
/** While it is young it is looked at more often: most holders that die do so without a word. */
const LOOK_SOON_MS = 200;
const YOUNG_MS = 1_000;
/** How long a request may go unanswered before it is sent on to a holder that is there. */
const FORWARD_AFTER_MS = 500;
/**
 * How long a holder that said that it is leaving has for it before somebody asks whether it still
 * is there.
 */
const LEAVING_MS = 1_000;
/** How long after a change of mind (an acquisition lost, etcd silent) to try again. */
const RETRY_MS = 50;
/** How long the answer to a request that was sent on may take after it was announced. */
const FORWARDED_REPLY_MS = 1_000;
/**
 * So many of one instance may lie unread; more are read at once, since they are found by their
 * keys, and these one by one.
 */
const MOST_UNREAD = 64;
/** A timer takes no more; an expiry may lie years ahead. */
const MAX_FORWARD_MS = 600_000;

/** What the router needs of the rest of the replica. */
export interface RouterParts {
  leases: Leases;
  log: Pick<Log, 'newestRow'>;
  peers: Pick<Peers, 'reachable' | 'forward'>;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  ttlMs: number;
  /** The one runner of an instance under a holding. */
  held: (holding: Holding) => HeldInstance;
  /** Tells the others that a request is answered, and whether the log has the answer. */
  tellAnswered: (key: string, recorded: boolean) => void;
  logTrouble: (cause: unknown) => void;
  /** Why the log cannot be used at the moment, as far as is known. */
  logAway: () => string | undefined;
}

/**
 * Decides who acts on a broadcast: the holder; if nobody holds the instance, the live replica that
 * ranks first for it; the others remember the request and step in, in rank order, when no lease
 * appears or the holder's lease vanishes. On what was sent to this replica alone it acts as the
 * holder, or not at all.
 *
 * Routing decides nothing about safety: two replicas that both act are told apart by the lease, and
 * two terms that both write by the log.
 */
export class Router {
  readonly #parts: RouterParts;
  readonly #asks = new TransientMap<string, PendingRequest>();
  readonly #byInstance = new TransientMap<string, Set<PendingRequest>>();
  /** What came for instances of others and is not read yet. */
  readonly #letters = new TransientMap<string, UnreadBroadcast[]>();
  /** Who is draining, and which of its instances are not free yet. */
  readonly #leaving = new Map<string, ReadonlySet<string>>();
  readonly #lobby: WaitingRoom;
  #notLeadingFromMs: number | undefined;
  #closed = false;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#lobby = new WaitingRoom(parts.clock, GRACE_MS, FORWARD_AFTER_MS);
    // A replica that dies goes together with its leases: who is first is told once all of that is
    // seen.
    parts.leases.onVanished((instanceId) => {
      if (this.#byInstance.has(instanceId) || this.#letters.has(instanceId))
        queueMicrotask(() => this.#newTurns(instanceId));
    });
  }

  /**
   * Takes in a broadcast as it came. One that is another replica's to serve stays unread until its
   * time is up, or something happens to its instance.
   */
  receive(letter: UnreadBroadcast): void {
    if (this.#closed) return;
    const another = this.#another(letter.instanceId);
    if (another === undefined) {
      this.#open(letter, this.#parts.clock.monotonicMs());
      return;
    }
    const others = this.#letters.get(letter.instanceId) ?? [];
    if (others.length >= MOST_UNREAD) {
      if (letter.errand !== undefined) this.take(letter.errand, letter.reply);
      return;
    }
    letter.guest = this.#lobby.enter(another, (quietSinceMs) => this.#open(letter, quietSinceMs));
    if (others.push(letter) === 1) this.#letters.set(letter.instanceId, others);
  }

  /**
   * Takes up a request, or joins it to the same one that is remembered already.
   *
   * @param sentOn whether another replica remembered it before
   */
  take(errand: Operation, reply: (body: Json) => void, sentOn = false): void {
    const ask = this.#remember(errand, reply, this.#parts.clock.monotonicMs());
    if (ask === undefined) return;
    ask.remembered = sentOn;
    const another = this.#another(errand.instanceId);
    if (another === undefined) this.#begin(ask);
    else
      ask.guest = this.#lobby.enter(another, (quietSinceMs) => {
        ask.turnsFromMs = quietSinceMs;
        this.#begin(ask);
      });
  }

  /**
   * Takes up a request that was sent to this replica alone, by who believes that it holds the
   * instance. It is served under the holding or declined at once: its sender can ask all, and knows
   * what else it was told meanwhile, as nobody here does.
   */
  takeDirect(errand: Operation, reply: (body: Json) => void): void {
    if (this.#closed) {
      reply(this.#declined(errand));
      return;
    }
    const ask = this.#remember(errand, reply, this.#parts.clock.monotonicMs(), true);
    if (ask !== undefined) this.#begin(ask);
  }

  #declined({ instanceId }: Operation): Json {
    this.#parts.count({ what: 'declined' });
    const message = `replica ${this.#parts.leases.replicaId} does not hold instance ${instanceId}; ask all, by broadcast`;
    return errorReply({ code: 'conflict', message });
  }

  #open(letter: UnreadBroadcast, turnsFromMs: number): void {
    this.#drop(letter);
    const { errand } = letter;
    const ask =
      errand === undefined ? undefined : this.#remember(errand, letter.reply, turnsFromMs);
    if (ask !== undefined) this.#begin(ask);
  }

  #unread(): UnreadBroadcast[] {
    return [...this.#letters.values()].flat();
  }

  /** It is unread mail no more. */
  #drop(letter: UnreadBroadcast): void {
    if (letter.guest === undefined) return;
    this.#lobby.leave(letter.guest);
    letter.guest = undefined;
    const left = this.#letters.get(letter.instanceId)?.filter((other) => other !== letter) ?? [];
    if (left.length === 0) this.#letters.delete(letter.instanceId);
    else this.#letters.set(letter.instanceId, left);
  }

  /** Undefined for one that is remembered already, which it is joined to. */
  #remember(
    errand: Operation,
    reply: (body: Json) => void,
    turnsFromMs: number,
    direct = false,
  ): PendingRequest | undefined {
    if (this.#closed) return undefined;
    const known = this.#asks.get(errand.key);
    if (known !== undefined && !known.settled) {
      known.alsoReplyTo(reply);
      known.direct &&= direct;
      return undefined;
    }
    const ask = new PendingRequest(errand, turnsFromMs, reply);
    ask.direct = direct;
    this.#asks.set(errand.key, ask);
    const ofInstance = this.#byInstance.get(errand.instanceId) ?? new Set();
    this.#byInstance.set(errand.instanceId, ofInstance.add(ask));
    return ask;
  }

  /**
   * Another replica has answered requests. Says whether any of them was remembered here, so that it
   * must have heard it.
   */
  answered(keys: readonly string[], by: string): boolean {
    let any = false;
    for (const key of keys) {
      const ask = this.#asks.get(key);
      if (ask !== undefined) {
        any = true;
        this.#answered(ask, by);
      }
      for (const letter of this.#letters.get(instanceOfKey(key)) ?? []) {
        if (letter.errand?.key !== key) continue;
        any = true;
        this.#drop(letter);
      }
    }
    if (any) this.#lobby.served(by);
    return any;
  }

  #answered(ask: PendingRequest, by: string): void {
    ask.answeredElsewhere = true;
    if (ask.guest !== undefined && this.#lobby.leave(ask.guest)) this.#forget(ask);
    else if (ask.forwardedTo !== by) ask.settle();
    // It answered us, and we the agent: its reply is on its way.
    else void this.#parts.clock.sleep(FORWARDED_REPLY_MS).then(() => ask.settle());
  }

  /**
   * A replica said that it is draining: it takes up nothing any more.
   *
   * @param busy the instances that it has an attempt of in hand: they are free only once their
   *   lease has vanished. Of all others it has ended its terms, so they may be replaced at once
   */
  leaving(replicaId: string, busy: ReadonlySet<string>): void {
    this.#leaving.set(replicaId, busy);
    for (const letter of this.#unread()) {
      if (this.#parts.leases.hint(letter.instanceId)?.replicaId !== replicaId) continue;
      this.#open(letter, this.#parts.clock.monotonicMs());
    }
    for (const ask of this.#asks.values()) {
      const { instanceId } = ask.errand;
      if (this.#parts.leases.hint(instanceId)?.replicaId === replicaId && !busy.has(instanceId)) {
        this.#newTurn(ask, this.first(instanceId));
      } else {
        // Where it stood first in rank, the next one is on.
        ask.wake();
      }
    }
  }

  /** Whether this replica stands first for an id among those that can act. */
  first(id: string): boolean {
    return this.#rank(id) === 0;
  }

  /** How many requests are remembered. */
  get remembered(): number {
    return this.#asks.size + this.#unread().length;
  }

  /** Takes up nothing more, and forgets what others will serve; what is being served goes on. */
  close(): void {
    this.#closed = true;
    for (const letter of this.#unread()) this.#drop(letter);
    for (const ask of this.#asks.values()) {
      if (ask.guest !== undefined) this.#lobby.callIn(ask.guest);
      ask.wake();
    }
  }

  /**
   * The other replica, last seen alive, that holds the instance: then it is that one's to serve.
   */
  #another(instanceId: string): string | undefined {
    const { leases } = this.#parts;
    const holder = leases.hint(instanceId)?.replicaId;
    if (holder === undefined || holder === leases.replicaId || this.#leaving.has(holder))
      return undefined;
    return holder;
  }

  #begin(ask: PendingRequest): void {
    void this.#see(ask);
  }

  async #see(ask: PendingRequest): Promise<void> {
    try {
      await this.#drive(ask);
    } catch (cause) {
      this.#broke(ask, cause);
    } finally {
      this.#forget(ask);
    }
  }

  async #drive(ask: PendingRequest): Promise<void> {
    const { leases, clock } = this.#parts;
    const { instanceId, expiresAtMs } = ask.errand;
    if (clock.wallMs() > expiresAtMs) {
      if (ask.direct || this.first(instanceId))
        this.#refuse(ask, 'expired', 'the request had expired when it arrived');
      return;
    }
    while (!ask.settled) {
      const holding = leases.holding(instanceId);
      if (holding !== undefined && !this.#closed) {
        if (await this.#serve(ask, holding)) return;
        ask.turnsFromMs = clock.monotonicMs();
        continue;
      }
      if (ask.direct) {
        ask.answer(this.#declined(ask.errand));
        return;
      }
      if (this.#closed || clock.wallMs() > expiresAtMs) return;
      ask.remembered = true;
      const pauseMs = await this.#consider(ask);
      if (ask.settled || pauseMs === 0) continue;
      const untilExpiryMs = expiresAtMs - clock.wallMs() + 1;
      await ask.pauseUntilWoken(clock, Math.max(1, Math.min(pauseMs, untilExpiryMs)));
    }
  }

  /** Serves it under the holding; false when the holding was lost on the way. */
  async #serve(ask: PendingRequest, holding: Holding): Promise<boolean> {
    try {
      const served = await ask.errand.serve(this.#parts.held(holding), ask);
      if (served.kind === 'handed_on') {
        // A holding that was handed on and is still trusted belongs to a replica that is draining.
        if (holding.trusted() && !this.#closed) await this.#parts.clock.sleep(RETRY_MS);
        return false;
      }
      this.#tellAnswered(ask, served.recorded);
      ask.answer(served.reply);
      return true;
    } catch (cause) {
      if (!(cause instanceof LogUnavailable)) throw cause;
      this.#parts.logTrouble(cause);
      this.#refuse(
        ask,
        'unavailable',
        'Postgres does not answer. Ask again with the same request id.',
      );
      return true;
    }
  }

  /**
   * Does what is this replica's to do for a request on an instance that it does not hold; answers
   * when to look again.
   */
  async #consider(ask: PendingRequest): Promise<number> {
    const { leases, clock } = this.#parts;
    const { instanceId } = ask.errand;
    const why = leases.notLeading() ?? this.#parts.logAway();
    if (why !== undefined) return this.#considerIdle(ask, why);
    this.#notLeadingFromMs = undefined;
    const waitedMs = clock.monotonicMs() - ask.turnsFromMs;
    const hint = leases.hint(instanceId);
    const holder = hint === undefined || hint.replicaId === leases.replicaId ? undefined : hint;
    const turnMs =
      this.#rank(instanceId, holder?.replicaId) * TURN_MS + (holder === undefined ? 0 : GRACE_MS);
    if (holder !== undefined && this.#leaving.get(holder.replicaId)?.has(instanceId) === false) {
      const rankMs = this.#rank(instanceId) * TURN_MS;
      if (waitedMs < rankMs) return rankMs - waitedMs;
      return (await leases.takeOver(holder)).kind === 'acquired' ? 0 : RETRY_MS;
    }
    // It hands the instance back by itself, and etcd says so; a ping into its leaving would only
    // wait for no answer.
    if (holder !== undefined && this.#leaving.has(holder.replicaId) && waitedMs < LEAVING_MS)
      return LOOK_SOON_MS;
    // Others rank before this one: they have their turn first.
    if (waitedMs < turnMs) return turnMs - waitedMs;
    if (holder !== undefined) {
      if (!(await this.#parts.peers.reachable(holder.replicaId))) return this.#takeOver(instanceId);
      if (waitedMs >= FORWARD_AFTER_MS) this.#forward(ask, holder.replicaId);
      return waitedMs < YOUNG_MS ? LOOK_SOON_MS : LOOK_AGAIN_MS;
    }
    const outcome = await leases.acquire(instanceId);
    switch (outcome.kind) {
      case 'acquired':
        return 0;
      case 'held':
      case 'unavailable':
        return RETRY_MS;
    }
  }

  /**
   * The holder is there, and the request is not answered: perhaps it never heard of it. A holder
   * that did hear of it joins the two; whichever answer comes first counts.
   */
  #forward(ask: PendingRequest, holderId: string): void {
    const { clock, peers } = this.#parts;
    const forward = ask.errand.forward?.();
    if (forward === undefined || ask.forwardedTo === holderId) return;
    ask.forwardedTo = holderId;
    const untilExpiryMs = Math.max(1_000, ask.errand.expiresAtMs - clock.wallMs());
    void peers.forward(holderId, forward, Math.min(MAX_FORWARD_MS, untilExpiryMs)).then((reply) => {
      if (reply !== undefined && !ask.settled) ask.answer(reply);
    });
  }

  /**
   * The holder does not answer: take its place if etcd still has it there and the log has no open
   * attempt.
   */
  async #takeOver(instanceId: string): Promise<number> {
    const { leases, log, logger, count } = this.#parts;
    const seen = await leases.look(instanceId);
    // Another request may have got it meanwhile.
    if (leases.holding(instanceId) !== undefined) return 0;
    if (seen === 'none') return 0;
    if (seen === 'unavailable') return RETRY_MS;
    if (await this.#parts.peers.reachable(seen.replicaId)) return RETRY_MS;
    try {
      const newest = await log.newestRow(instanceId);
      // An open attempt is its process's own, for as long as that is in etcd.
      if (newest?.kind === 'started') return LOOK_AGAIN_MS;
    } catch (cause) {
      this.#parts.logTrouble(cause);
      return RETRY_MS;
    }
    if (leases.holding(instanceId) !== undefined) return 0;
    const outcome = await leases.takeOver(seen);
    if (outcome.kind !== 'acquired') return RETRY_MS;
    count({ what: 'take_over' });
    logger.info(
      { instanceId, from: seen.replicaId, token: outcome.holding.token },
      'took over from an unreachable holder',
    );
    return 0;
  }

  /**
   * This replica leads nothing at the moment; when the others had the time to, it says that nobody
   * does.
   */
  #considerIdle(ask: PendingRequest, why: string): number {
    const { clock, ttlMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    this.#notLeadingFromMs ??= nowMs;
    const turnMs = 1_000 + this.#rank(ask.errand.instanceId) * TURN_MS;
    const dueMs = Math.max(ask.turnsFromMs + turnMs, this.#notLeadingFromMs + ttlMs + 1_000);
    if (nowMs < dueMs) return Math.min(dueMs - nowMs, LOOK_AGAIN_MS);
    this.#refuse(
      ask,
      'unavailable',
      `no replica can lead: ${why}. Ask again with the same request id.`,
    );
    return 0;
  }

  #refuse(ask: PendingRequest, outcome: 'unavailable' | 'expired', why: string): void {
    this.#tellAnswered(ask, false);
    ask.answer(ask.errand.refusal(outcome, why));
  }

  /** Whoever remembers it may forget it. */
  #tellAnswered(ask: PendingRequest, recorded: boolean): void {
    if (!ask.direct) this.#parts.tellAnswered(ask.errand.key, recorded);
  }

  #rank(id: string, without?: string): number {
    const able = this.#parts.leases
      .replicas()
      .map(({ replicaId }) => replicaId)
      .filter((replicaId) => replicaId !== without && !this.#leaving.has(replicaId));
    return rankOf(id, able, this.#parts.leases.replicaId);
  }

  #newTurns(instanceId: string): void {
    for (const letter of this.#letters.get(instanceId) ?? [])
      this.#open(letter, this.#parts.clock.monotonicMs());
    const asks = this.#byInstance.get(instanceId);
    if (asks === undefined) return;
    const first = this.first(instanceId);
    for (const ask of asks) this.#newTurn(ask, first);
  }

  #newTurn(ask: PendingRequest, first: boolean): void {
    ask.turnsFromMs = this.#parts.clock.monotonicMs();
    // The others have their turn later, hence in the lobby nothing has changed for them.
    if (first && ask.guest !== undefined) this.#lobby.callIn(ask.guest);
    ask.wake();
  }

  #broke(ask: PendingRequest, cause: unknown): void {
    this.#parts.logger.error(
      { instanceId: ask.errand.instanceId, err: cause },
      'a request broke off',
    );
    this.#refuse(
      ask,
      'unavailable',
      'the replica failed inside; its log says more. Ask again with the same request id.',
    );
  }

  #forget(ask: PendingRequest): void {
    const { key, instanceId } = ask.errand;
    ask.settle();
    if (this.#asks.get(key) === ask) this.#asks.delete(key);
    const ofInstance = this.#byInstance.get(instanceId);
    ofInstance?.delete(ask);
    if (ofInstance?.size === 0) this.#byInstance.delete(instanceId);
  }
}
