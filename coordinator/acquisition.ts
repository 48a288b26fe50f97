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

/** How to make an {@link Acquisition}: what it needs of its tenure. */
export interface AcquisitionOptions {
  store: LeaseStore;
  clock: Clock;
  session: Session;
  holdings: Holdings;
  releases: Releases;
  namespace: string;
  replicaId: string;
  /** At most this many instances per transaction. */
  maxItems: number;
  /** See `CoordinatorOptions`. */
  defer: ((send: () => void) => void) | undefined;
}

interface LeaseRequest {
  instanceId: string;
  /** The term to replace; undefined: only if the instance is not held. */
  replaces: FencingToken | undefined;
}

type Answer =
  | { kind: 'won'; token: FencingToken }
  | { kind: 'held'; entry: Entry }
  | { kind: 'absent' }
  | { kind: 'unavailable'; why: string };

/** How often the key may change between two transactions before the caller has to retry. */
const MAX_ATTEMPTS = 4;

/**
 * Acquires leases for one session. Requests are batched into transactions; callers that want the
 * same instance share one request. The token is the revision of the transaction that put the key.
 */
export class Acquisition {
  readonly #options: AcquisitionOptions;
  readonly #batches: Batches<LeaseRequest, Answer>;
  readonly #pending = new TransientMap<string, Promise<AcquireOutcome>>();
  #highestRevision = 0;

  constructor(options: AcquisitionOptions) {
    this.#options = options;
    const { maxItems, defer } = options;
    this.#batches = new Batches({ maxItems, maxInFlight: 2, defer }, (requests) =>
      this.#send(requests),
    );
  }

  /** Whether an acquisition is under way, so that this session may yet get the lease. */
  pending(instanceId: string): boolean {
    return this.#pending.has(instanceId);
  }

  /** Acquires the lease if no replica has it. Never rejects. */
  acquire(instanceId: string): Promise<AcquireOutcome> {
    return this.#pending.get(instanceId) ?? this.#begin({ instanceId, replaces: undefined });
  }

  /**
   * Replaces exactly the term that was seen, or acquires the lease if that term is over. Never
   * rejects.
   */
  async takeOver(seen: LeaseRecord): Promise<AcquireOutcome> {
    for (;;) {
      const earlier = this.#pending.get(seen.instanceId);
      if (earlier === undefined) break;
      // An earlier request of this process may have settled it.
      const outcome = await earlier;
      if (outcome.kind === 'acquired') return outcome;
    }
    return this.#begin({ instanceId: seen.instanceId, replaces: seen.token });
  }

  #begin(request: LeaseRequest): Promise<AcquireOutcome> {
    const running = this.#settle(request).finally(() => this.#pending.delete(request.instanceId));
    this.#pending.set(request.instanceId, running);
    return running;
  }

  async #settle({ instanceId, replaces }: LeaseRequest): Promise<AcquireOutcome> {
    const { session, releases, replicaId } = this.#options;
    await releases.settled(instanceId);
    let request: LeaseRequest = { instanceId, replaces };
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const answer = await this.#batches.add(request);
      switch (answer.kind) {
        case 'won':
          return this.#hold(instanceId, answer.token);
        case 'unavailable':
          return answer;
        case 'absent':
          request = { instanceId, replaces: undefined };
          break;
        case 'held': {
          const by = leaseRecord(instanceId, answer.entry);
          if (by.replicaId !== replicaId) return { kind: 'held', by };
          // This process's own key: an earlier answer was lost. But a term that has ended stays
          // ended, whether it was released or belonged to an earlier session of this process: it is
          // replaced by a new term with a new token.
          const lost =
            answer.entry.leaseId === session.leaseId && !releases.hasEnded(instanceId, by.token);
          if (lost) return this.#hold(instanceId, by.token);
          request = { instanceId, replaces: by.token };
        }
      }
    }
    return {
      kind: 'unavailable',
      why: 'the lease kept changing hands while it was requested',
    };
  }

  #hold(instanceId: string, token: FencingToken): AcquireOutcome {
    const { clock, session, holdings } = this.#options;
    if (!session.trusted()) return unavailable(session);
    const term = new Term({ instanceId, token, session, nowMs: clock.monotonicMs() });
    holdings.add(term);
    return { kind: 'acquired', holding: term };
  }

  /** One transaction for all requests. Never rejects. */
  async #send(requests: LeaseRequest[]): Promise<Answer[]> {
    const { store, session, namespace, replicaId } = this.#options;
    if (!session.trusted()) return requests.map(() => unavailable(session));
    const seenBefore = this.#highestRevision;
    try {
      const { revision, verdicts } = await store.acquire(
        session.leaseId,
        requests.map(({ instanceId, replaces }) => ({
          key: leaseKey(namespace, instanceId),
          value: leaseValue(replicaId),
          replaces,
        })),
      );
      if (revision < seenBefore) {
        // New tokens would be below those in the log. The gate decides whether to go on.
        session.lose(
          `etcd's revision went back from ${seenBefore} to ${revision}; was it restored from a backup?`,
        );
        return requests.map(() => unavailable(session));
      }
      this.#highestRevision = Math.max(this.#highestRevision, revision);
      return verdicts.map((verdict) =>
        verdict.kind === 'won' ? { kind: 'won', token: revision } : verdict,
      );
    } catch (error) {
      if (error instanceof LeaseGone) {
        session.lose('etcd says that the session is gone');
        this.#batches.failQueued(() => unavailable(session));
        return requests.map(() => unavailable(session));
      }
      // What is queued would only run into one time-out after another.
      this.#batches.failQueued(() => ({ kind: 'unavailable', why: errorText(error) }));
      return this.#readBack(requests, errorText(error));
    }
  }

  /**
   * Settles a transaction whose answer was lost. A request that reads back as absent may still be
   * on its way; if it arrives later, its key is an orphan.
   */
  async #readBack(requests: LeaseRequest[], why: string): Promise<Answer[]> {
    const { store, session, releases, namespace } = this.#options;
    try {
      const { entries } = await store.read(
        requests.map(({ instanceId }) => leaseKey(namespace, instanceId)),
      );
      return requests.map(({ instanceId, replaces }, index): Answer => {
        const entry = entries[index];
        if (entry === undefined || entry.modRevision === replaces)
          return { kind: 'unavailable', why };
        if (entry.leaseId !== session.leaseId) return { kind: 'held', entry };
        return releases.hasEnded(instanceId, entry.modRevision)
          ? { kind: 'unavailable', why }
          : { kind: 'won', token: entry.modRevision };
      });
    } catch {
      return requests.map(() => ({ kind: 'unavailable', why }));
    }
  }
}

function unavailable(session: Session): { kind: 'unavailable'; why: string } {
  return { kind: 'unavailable', why: `the session ended: ${session.ended ?? 'by itself'}` };
}
