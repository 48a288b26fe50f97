import { ClusterView } from '../../../../advancer/intake/cluster-view.ts';
import { HandOver } from '../../../../advancer/intake/hand-over.ts';
import type { Placed } from '../../../../advancer/intake/placements.ts';
import type { Operation, Served } from '../../../../advancer/intake/pending-request.ts';
import { UnreadBroadcast } from '../../../../advancer/intake/unread-broadcast.ts';
import { Router, type RouterOptions } from '../../../../advancer/intake/router.ts';
import { Quota } from '../../../../advancer/intake/quota.ts';
import type { Snapshot } from '../../../../advancer/log/log.ts';
import type { RequestProgress } from '../../../../advancer/run/active-request.ts';
import { RecentReceipts } from '../../../../advancer/run/recent-receipts.ts';
import type { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { AcquireOutcome, LeaseRecord, Leases } from '../../../../coordinator/leases.ts';
import type { RowKind } from '../../../../src/execution/row.ts';
import type { Json } from '../../../../src/json.ts';
import type { Holding } from '../../../../src/lease/holding.ts';
import { DEFAULT_LIMITS, type IntakeLimits } from '../../../../src/config/limits.ts';
import { ranking } from '../../../harness/ranking.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

export const OTHERS = ['b-00000002', 'c-00000003'];
export const ME = 'a-00000001';

/** An instance for which the replicas rank in the given order. */
function instanceWith(order: string[]): string {
  for (let count = 0; ; count += 1) {
    const instanceId = `i${count}`;
    if (ranking(instanceId, [ME, ...OTHERS]).join() === order.join()) return instanceId;
  }
}

export const FIRST = instanceWith([ME, ...OTHERS]);
export const LAST = instanceWith([...OTHERS, ME]);

/** Everything that a router depends on, controlled by the test. */
export class World {
  readonly clock = new HandClock();
  readonly did: string[] = [];
  readonly replies: Json[] = [];
  /** The keys that were announced as answered. */
  readonly announced: string[] = [];
  /** How often an instance was read before its lease was acquired; it exists unless said so. */
  reads = 0;
  snapshot: () => Promise<Snapshot | undefined> = () => Promise.resolve({} as Snapshot);
  /** What is known of recorded receipts. */
  readonly receipts = new RecentReceipts();
  onServe: (progress: RequestProgress) => void = () => undefined;
  /** The limits that were reached. */
  readonly counted: string[] = [];
  /** How many broadcasts were read. */
  read = 0;
  holding: Holding | undefined;
  hint: LeaseRecord | undefined;
  notLeading: string | undefined;
  logUnavailable: string | undefined;
  reachable = true;
  newest: RowKind | undefined;
  /** What the replicas advertise. */
  readonly handlers = new Map<string, string[]>();
  readonly effectSecrets = new Map<string, string[]>();
  /** What was announced about who can run what. */
  readonly placed: Placed[] = [];
  acquire: (instanceId: string) => AcquireOutcome = (instanceId) => this.acquired(instanceId);
  serve: () => Promise<Served> = () =>
    Promise.resolve({ kind: 'answered', reply: 'served', recorded: true });
  #vanished: (instanceId: string) => void = () => undefined;
  readonly view: ClusterView;
  readonly router: Router;

  constructor(limits: IntakeLimits = DEFAULT_LIMITS) {
    const leases: Partial<Leases> = {
      replicaId: ME,
      holding: (instanceId) => (this.holding?.instanceId === instanceId ? this.holding : undefined),
      acquire: (instanceId) => {
        this.did.push('acquire');
        return Promise.resolve(this.acquire(instanceId));
      },
      takeOver: (seen) => {
        this.did.push(`take over from ${seen.replicaId}`);
        return Promise.resolve(this.acquired(seen.instanceId));
      },
      replicas: () =>
        [ME, ...OTHERS].map((replicaId) => {
          const handlers = this.handlers.get(replicaId);
          const effectSecrets = this.effectSecrets.get(replicaId);
          return { replicaId, name: '', pid: 0, httpUrl: '', handlers, effectSecrets };
        }),
      release: () => {
        this.did.push('release');
        this.holding = undefined;
        return Promise.resolve();
      },
      hint: () => this.hint,
      look: () => Promise.resolve(this.hint ?? 'none'),
      onVanished: (listener) => {
        this.#vanished = listener;
        return () => undefined;
      },
      notLeading: () => this.notLeading,
    };
    this.view = new ClusterView(leases as Leases, this.clock);
    const options: RouterOptions = {
      view: this.view,
      leases: leases as Leases,
      log: {
        newestRow: () =>
          Promise.resolve(this.newest === undefined ? undefined : ({ kind: this.newest } as never)),
        snapshot: () => {
          this.reads += 1;
          return this.snapshot();
        },
      },
      quota: new Quota(limits),
      receipts: this.receipts,
      peers: {
        reachable: (replicaId) => {
          this.did.push(`ping ${replicaId}`);
          return Promise.resolve(this.reachable);
        },
        forward: (replicaId) => {
          this.did.push(`forward to ${replicaId}`);
          return Promise.resolve(undefined);
        },
      },
      handOver: new HandOver({
        view: this.view,
        leases: leases as Leases,
        logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
        count: () => undefined,
        announce: (placed) => void this.placed.push(placed),
      }),
      clock: this.clock,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      count: (event) => {
        if (event.what === 'over_limit') this.counted.push(event.limit);
      },
      ttlMs: 2_000,
      held: () => ({}) as HeldInstance,
      announceAnswered: (key) => void this.announced.push(key),
      logTrouble: () => void this.did.push('log trouble'),
      logUnavailable: () => this.logUnavailable,
    };
    this.router = new Router(options);
  }

  acquired(instanceId: string): AcquireOutcome {
    this.holding = {
      instanceId,
      token: 7,
      signal: new AbortController().signal,
      ended: false,
      onEnd: () => () => undefined,
      trusted: () => true,
    };
    return { kind: 'acquired', holding: this.holding };
  }

  heldBy(replicaId: string, instanceId: string): void {
    this.hint = { instanceId, replicaId, token: 5 };
  }

  vanish(instanceId: string): void {
    this.hint = undefined;
    this.#vanished(instanceId);
  }

  operation(instanceId: string, expiresInMs = 30_000, id = 'q', agentId = 'agent'): Operation {
    return {
      key: `advance/${instanceId}/${id}`,
      instanceId,
      requestId: id,
      share: { agentId, bytes: 0 },
      expiresAtMs: this.clock.wallMs() + expiresInMs,
      runsEffects: true,
      serve: (_held, progress) => {
        this.did.push('serve');
        this.onServe(progress);
        return this.serve();
      },
      refusal: (outcome) => outcome,
    };
  }

  take(instanceId: string, expiresInMs?: number): void {
    this.receive(instanceId, () => this.operation(instanceId, expiresInMs));
  }

  takeDirect(instanceId: string, expiresInMs?: number): void {
    this.router.takeDirect(
      this.operation(instanceId, expiresInMs),
      (body) => void this.replies.push(body),
    );
  }

  receive(instanceId: string, parse: () => Operation | undefined): void {
    const counted = (): Operation | undefined => {
      this.read += 1;
      return parse();
    };
    this.router.receive(
      new UnreadBroadcast({
        instanceId,
        bytes: 100,
        parse: counted,
        reply: (body) => void this.replies.push(body),
      }),
    );
  }
}
