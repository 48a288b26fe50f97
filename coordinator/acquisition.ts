import { TransientMap } from '../src/transient-map.ts';
import type { Clock } from '../src/time/clock.ts';
import { errorText } from '../src/error-text.ts';
import type { FencingToken } from '../src/ids.ts';
import { Batches } from '../src/batches.ts';
import type { Holdings } from './holdings.ts';
import { leaseKey, leaseRecord, leaseValue } from './keys.ts';
import type { AcquireOutcome, LeaseRecord } from './leases.ts';
import type { Releases } from './releases.ts';
import type { Session } from './session.ts';
import { LeaseGone } from './store.ts';
import type { Entry, LeaseStore } from './store.ts';
import { Term } from './term.ts';

/** What acquiring needs of the tenure that it is part of. */
export interface AcquisitionOptions {
  store: LeaseStore;
  clock: Clock;
  session: Session;
  holdings: Holdings;
  releases: Releases;
  namespace: string;
  replicaId: string;
  /** How many instances one transaction may ask for. */
  maxItems: number;
  /** See `CoordinatorOptions`. */
  defer: ((send: () => void) => void) | undefined;
}

interface Ask {
  instanceId: string;
  /** The term to be replaced; undefined: nobody may hold the instance. */
  replaces: FencingToken | undefined;
}

type Answer =
  | { kind: 'won'; token: FencingToken }
  | { kind: 'held'; entry: Entry }
  | { kind: 'absent' }
  | { kind: 'unavailable'; why: string };

/** So often the key may have changed between two looks before the caller is told to come again. */
const MAX_ASKS = 4;

/**
 * Gets leases for one session. Callers' wants ride together in transactions; callers who want the
 * same instance share one want. The token is the revision of the transaction that put the key.
 */
export class Acquisition {
  readonly #options: AcquisitionOptions;
  readonly #batches: Batches<Ask, Answer>;
  readonly #pending = new TransientMap<string, Promise<AcquireOutcome>>();
  #highestRevision = 0;

  constructor(options: AcquisitionOptions) {
    this.#options = options;
    const { maxItems, defer } = options;
    this.#batches = new Batches({ maxItems, maxInFlight: 2, defer }, (asks) => this.#send(asks));
  }

  /** Whether it is still open if this session gets the lease. */
  pending(instanceId: string): boolean {
    return this.#pending.has(instanceId);
  }

  /** Gets the lease if nobody has it. Never rejects. */
  acquire(instanceId: string): Promise<AcquireOutcome> {
    return this.#pending.get(instanceId) ?? this.#begin({ instanceId, replaces: undefined });
  }

  /**
   * Replaces exactly the term that was seen, or gets the lease if that term is over. Never rejects.
   */
  async takeOver(seen: LeaseRecord): Promise<AcquireOutcome> {
    for (;;) {
      const earlier = this.#pending.get(seen.instanceId);
      if (earlier === undefined) break;
      // Somebody here has asked already; perhaps that settles it.
      const outcome = await earlier;
      if (outcome.kind === 'acquired') return outcome;
    }
    return this.#begin({ instanceId: seen.instanceId, replaces: seen.token });
  }

  #begin(ask: Ask): Promise<AcquireOutcome> {
    const running = this.#settle(ask).finally(() => this.#pending.delete(ask.instanceId));
    this.#pending.set(ask.instanceId, running);
    return running;
  }

  async #settle({ instanceId, replaces }: Ask): Promise<AcquireOutcome> {
    const { session, releases, replicaId } = this.#options;
    await releases.settled(instanceId);
    let ask: Ask = { instanceId, replaces };
    for (let asked = 0; asked < MAX_ASKS; asked += 1) {
      const answer = await this.#batches.add(ask);
      switch (answer.kind) {
        case 'won':
          return this.#hold(instanceId, answer.token);
        case 'unavailable':
          return answer;
        case 'absent':
          ask = { instanceId, replaces: undefined };
          break;
        case 'held': {
          const by = leaseRecord(instanceId, answer.entry);
          if (by.replicaId !== replicaId) return { kind: 'held', by };
          // Mine: an earlier answer was lost. But a term that has ended stays ended, whether it was
          // released, or belonged to an earlier session of this process: it gets a successor with a
          // token of its own.
          const lost =
            answer.entry.leaseId === session.leaseId && !releases.hasEnded(instanceId, by.token);
          if (lost) return this.#hold(instanceId, by.token);
          ask = { instanceId, replaces: by.token };
        }
      }
    }
    return {
      kind: 'unavailable',
      why: 'the lease changed hands again and again while it was asked for',
    };
  }

  #hold(instanceId: string, token: FencingToken): AcquireOutcome {
    const { clock, session, holdings } = this.#options;
    if (!session.trusted()) return unavailable(session);
    const term = new Term(instanceId, token, session, clock.monotonicMs());
    holdings.add(term);
    return { kind: 'acquired', holding: term };
  }

  /** One transaction for many asks. Never rejects. */
  async #send(asks: Ask[]): Promise<Answer[]> {
    const { store, session, namespace, replicaId } = this.#options;
    if (!session.trusted()) return asks.map(() => unavailable(session));
    const seenBefore = this.#highestRevision;
    try {
      const { revision, verdicts } = await store.acquire(
        session.leaseId,
        asks.map(({ instanceId, replaces }) => ({
          key: leaseKey(namespace, instanceId),
          value: leaseValue(replicaId),
          replaces,
        })),
      );
      if (revision < seenBefore) {
        // New tokens would be lower than those in the log. The gate decides whether to go on.
        session.lose(
          `etcd's revision went back from ${seenBefore} to ${revision}: was it restored from a backup?`,
        );
        return asks.map(() => unavailable(session));
      }
      this.#highestRevision = Math.max(this.#highestRevision, revision);
      return verdicts.map((verdict) =>
        verdict.kind === 'won' ? { kind: 'won', token: revision } : verdict,
      );
    } catch (error) {
      if (error instanceof LeaseGone) {
        session.lose('etcd says that the session is gone');
        this.#batches.failQueued(() => unavailable(session));
        return asks.map(() => unavailable(session));
      }
      // Whatever waits behind it would wait out one time-out after another.
      this.#batches.failQueued(() => ({ kind: 'unavailable', why: errorText(error) }));
      return this.#readBack(asks, errorText(error));
    }
  }

  /**
   * Settles a transaction whose answer was lost. An ask that reads back as absent may still be on
   * its way; should it arrive later, its key is an orphan.
   */
  async #readBack(asks: Ask[], why: string): Promise<Answer[]> {
    const { store, session, releases, namespace } = this.#options;
    try {
      const { entries } = await store.read(
        asks.map(({ instanceId }) => leaseKey(namespace, instanceId)),
      );
      return asks.map(({ instanceId, replaces }, index): Answer => {
        const entry = entries[index];
        if (entry === undefined || entry.modRevision === replaces)
          return { kind: 'unavailable', why };
        if (entry.leaseId !== session.leaseId) return { kind: 'held', entry };
        return releases.hasEnded(instanceId, entry.modRevision)
          ? { kind: 'unavailable', why }
          : { kind: 'won', token: entry.modRevision };
      });
    } catch {
      return asks.map(() => ({ kind: 'unavailable', why }));
    }
  }
}

function unavailable(session: Session): { kind: 'unavailable'; why: string } {
  return { kind: 'unavailable', why: `the session ended: ${session.ended ?? 'by itself'}` };
}
