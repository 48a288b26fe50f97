import { setMaxListeners } from 'node:events';

import type { Backlog } from '../src/bus/request-stream.ts';
import { DEFAULT_LIMITS } from '../src/config/limits.ts';
import type { Holding } from '../src/lease/holding.ts';
import { announce } from './announce.ts';
import { drainHoldings, releaseUnbegun } from './drain.ts';
import { DueWork } from './due/due-work.ts';
import { AnswerNotices } from './intake/answer-notices.ts';
import { ClusterView } from './intake/cluster-view.ts';
import { HandOver } from './intake/hand-over.ts';
import { Intake } from './intake/intake.ts';
import { settleOperation } from './intake/operations.ts';
import { Peers } from './intake/peers.ts';
import { Queries } from './intake/queries.ts';
import { QueryTurns } from './intake/query-turns.ts';
import { Quota } from './intake/quota.ts';
import { Router } from './intake/router.ts';
import { RowsQuery } from './intake/rows-query.ts';
import { StallDetector } from './intake/stall-detector.ts';
import type { LeasesLifecycle } from './leases-lifecycle.ts';
import { Notes } from './mac/notes.ts';
import { PeerMessages } from './mac/peer-messages.ts';
import { Unauthenticated } from './mac/unauthenticated.ts';
import { LogHealth } from './log-health.ts';
import { readinessChecks, type ReadinessCheck } from './readiness.ts';
import type { ReplicaOptions } from './replica-options.ts';
import { queueParts } from './queue/queue-parts.ts';
import type { RequestQueue } from './queue/request-queue.ts';
import { Attempts } from './run/attempts.ts';
import { ChildCancels } from './run/cancel-children.ts';
import type { RunContext } from './run/context.ts';
import type { HeldInstance } from './run/held-instance.ts';
import { HeldInstances } from './run/held-instances.ts';
import { lateProjections } from './run/late-projections.ts';
import { RecentReceipts } from './run/recent-receipts.ts';
import { ScheduleQueries } from './schedules/schedule-queries.ts';
import { Ticker } from './schedules/ticker.ts';

export type { LeasesLifecycle } from './leases-lifecycle.ts';

/**
 * One advancer replica: wires intake, holdings, runs, due work and schedules; starts and stops them
 * in order.
 */
export class Replica {
  readonly leases: LeasesLifecycle;
  readonly router: Router;
  readonly attempts = new Attempts(() => this.leases);
  readonly queryTurns: QueryTurns;
  readonly #options: ReplicaOptions;
  readonly #context: RunContext;
  readonly #intake: Intake;
  readonly #peers: Peers;
  readonly #notes: Notes;
  readonly #stallDetector: StallDetector;
  readonly #answerNotices: AnswerNotices;
  readonly #due: DueWork;
  readonly #ticker: Ticker;
  readonly #queue: RequestQueue | undefined;
  readonly #logHealth: LogHealth;
  readonly #held: HeldInstances;
  readonly #draining = new AbortController();
  readonly #abort = new AbortController();
  #drained: Promise<{ aborted: number }> | undefined;

  constructor(options: ReplicaOptions) {
    const { bus, clock, log, logger, subjects, count } = options;
    const { limits = DEFAULT_LIMITS, agentIds = 'claimed' } = options;
    this.#options = options;
    const quota = new Quota(limits);
    // Every wait of every instance listens to these two; Node would warn of a leak.
    setMaxListeners(0, this.#draining.signal, this.#abort.signal);
    this.#logHealth = new LogHealth({
      log,
      clock,
      logger,
      release: (why) => releaseUnbegun(this.leases, this.attempts, why),
    });
    this.leases = options.coordinator((readEtcdRevision) => this.#logHealth.gate(readEtcdRevision));
    const view = new ClusterView(this.leases, clock);
    const logTrouble = (cause: unknown): void => this.#logHealth.notice(cause);
    const introduce = (other: string): void => this.#peers.introduce(other);
    const messages = new PeerMessages({
      namespace: subjects.namespace,
      leases: this.leases,
      unauthenticated: new Unauthenticated({ clock, logger, count }),
      onUnknownSender: introduce,
    });
    this.#notes = new Notes({ bus, subjects, messages, leases: this.leases, introduce });
    this.#peers = new Peers({
      bus,
      subjects,
      clock,
      messages,
      attempts: this.attempts,
      count,
      onForwarded: (broadcast, message) => this.#intake.forwarded(broadcast, message),
    });
    const childCancels = new ChildCancels({
      log,
      clock,
      logger,
      logTrouble,
      draining: this.#draining.signal,
      askToSettle: (instanceId) => {
        this.#context.askToSettle(instanceId);
        // Also here: a replica does not hear its own notes.
        this.router.take(settleOperation(instanceId, clock.wallMs()), () => undefined);
      },
    });
    this.#context = {
      log,
      leases: this.leases,
      effects: options.effects,
      clock,
      attempts: this.attempts,
      receipts: new RecentReceipts(),
      projections: lateProjections({ clock, log, logger, logTrouble }),
      failpoint: options.failpoint,
      logger,
      count,
      askPeer: (replicaId, about, timeoutMs) => this.#peers.runs(replicaId, about, timeoutMs),
      announce: (committed) => {
        announce(committed, options);
        if (committed.childEnded) this.#due.noted();
      },
      goOn: (instanceId) => this.#due.look(instanceId),
      askToSettle: (instanceId) => this.#notes.send({ note: 'settle', instanceId }),
      cancelChildren: (instanceId) => childCancels.add(instanceId),
      logTrouble,
      crash: options.crash,
      draining: this.#draining.signal,
      abort: this.#abort.signal,
      appendPatienceMs: 2_000,
      appendSuspectMs: 1_000,
      stepDownAfterMs: options.ttlMs,
    };
    this.#held = new HeldInstances(this.#context);
    const held = (holding: Holding): HeldInstance => this.#held.under(holding);
    const handOver = new HandOver({
      view,
      leases: this.leases,
      logger,
      count,
      announce: (placed) => this.#notes.send({ note: 'placed', ...placed }),
    });
    this.#due = new DueWork({
      ...options,
      view,
      leases: this.leases,
      held,
      handOver,
      logTrouble,
      cancelChildren: (instanceId) => childCancels.add(instanceId),
      announce: () => this.#notes.send({ note: 'due' }),
    });
    this.router = new Router({
      view,
      handOver,
      quota,
      receipts: this.#context.receipts,
      leases: this.leases,
      log,
      peers: this.#peers,
      clock,
      logger,
      count,
      ttlMs: options.ttlMs,
      held,
      announceAnswered: (key, recorded) => this.#answerNotices.add(key, recorded),
      logTrouble,
      logUnavailable: () => this.#logHealth.trouble,
    });
    this.#answerNotices = new AnswerNotices(clock, (keys) =>
      this.#notes.send({ note: 'answered', keys }),
    );
    this.#stallDetector = new StallDetector(clock);
    this.queryTurns = new QueryTurns({ ...options, quota, limits, agentIds, logTrouble });
    const started = (instanceId: string): void => this.#due.look(instanceId);
    const { enqueued, queue } = queueParts({
      ...options,
      agentIds,
      receipts: this.#context.receipts,
      logTrouble,
      router: this.router,
      requests: log.requests,
      isFirst: (id) => view.isFirst(id),
    });
    this.#queue = queue;
    this.#intake = new Intake({
      enqueued,
      bus,
      subjects,
      view,
      router: this.router,
      queries: new Queries({ log, leases: this.leases, bus, due: this.#due }),
      rows: new RowsQuery(options.pages, bus),
      queryTurns: this.queryTurns,
      schedules: new ScheduleQueries({ log, started, maxBytes: () => bus.maxBytes() }),
      stallDetector: this.#stallDetector,
      messages,
      replicaId: this.leases.replicaId,
      agentIds,
      clock,
      logger,
      count,
      heard: (sender, answered) => this.#peers.heard(sender, answered),
      dueAnnounced: () => this.#due.announced(),
    });
    this.#ticker = new Ticker({
      log,
      turns: this.#due.turns,
      notLeading: () => this.leases.notLeading(),
      failpoint: options.failpoint,
      started,
      clock,
      logger,
      count,
      logTrouble,
    });
  }

  /** Starts in order: the replica can answer its peers before it can hold anything. */
  async start(): Promise<void> {
    this.#stallDetector.start();
    this.#peers.listen(this.leases.replicaId);
    await this.leases.start();
    for (const known of this.leases.registered()) this.#peers.introduce(known.replicaId);
    this.#intake.open();
    this.#queue?.open();
    await this.#options.bus.flush();
    this.#due.start();
    this.#ticker.start();
    this.#logHealth.start();
  }

  /** Everything that this replica needs to serve; `logNotOpen` says why there is no log yet. */
  checks(logNotOpen?: string): ReadinessCheck[] {
    const { bus, needs = [] } = this.#options;
    return readinessChecks({
      draining: this.#draining.signal.aborted,
      connected: bus.connected(),
      logTrouble: logNotOpen ?? this.#logHealth.trouble,
      notLeading: this.leases.notLeading(),
      needs,
    });
  }

  /** Why this replica cannot serve at the moment; empty when it can. */
  notReady(): string[] {
    return this.checks().flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  }

  /** What waits in the streams, as last seen. */
  get backlog(): Backlog | undefined {
    return this.#queue?.backlog;
  }

  /** How many instances are held with work or state in memory. */
  get heldCount(): number {
    return this.#held.size;
  }

  /**
   * Stops intake, releases every instance without an attempt at once, lets attempts end for
   * `drainMs`, aborts what is left, releases the rest, and leaves. May be called twice.
   * Returns how many attempts it aborted.
   */
  drain(): Promise<{ aborted: number }> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<{ aborted: number }> {
    const { bus, clock } = this.#options;
    // A run between two cells hands on at its next step; nothing new begins.
    this.#draining.abort('draining');
    this.#due.stop();
    this.#ticker.stop();
    this.#logHealth.stop();
    this.#intake.close();
    this.#queue?.close();
    this.#answerNotices.flush();
    this.router.close();
    const aborted = await drainHoldings({
      ...this.#options,
      leases: this.leases,
      attempts: this.attempts,
      notes: this.#notes,
      abortAttempts: () => this.#abort.abort('aborted'),
    });
    this.#stallDetector.stop();
    this.#answerNotices.flush();
    const flushed = Promise.all([bus.flush(), this.#context.projections.flush()]);
    await Promise.race([flushed.catch(() => undefined), clock.sleep(200)]);
    return { aborted };
  }
}
