import { setMaxListeners } from 'node:events';

import type { Leases } from '../coordinator/leases.ts';
import type { Bus } from '../src/bus/bus.ts';
import type { Subjects } from '../src/bus/subjects.ts';
import type { Logger } from '../src/logger.ts';
import { TransientMap } from '../src/transient-map.ts';
import type { Clock } from '../src/time/clock.ts';
import { toWireRow } from '../src/execution/row.ts';
import type { Holding } from '../src/lease/holding.ts';
import type { EffectRunner } from './cells/cells.ts';
import type { Failpoint } from './failpoints.ts';
import { AnswerNotices } from './intake/answer-notices.ts';
import { Queries } from './intake/queries.ts';
import { asJson } from './intake/operations.ts';
import { Intake } from './intake/intake.ts';
import { Peers } from './intake/peers.ts';
import { StallDetector } from './intake/stall-detector.ts';
import { Router } from './intake/router.ts';
import { LogUnavailable, type Log } from './log/log.ts';
import { LogHealth } from './log-health.ts';
import { Attempts, type AttemptInHand } from './run/attempts.ts';
import type { Committed, Counted, RunContext } from './run/context.ts';
import { HeldInstance } from './run/held-instance.ts';
import { LateProjections } from './run/late-projections.ts';
import { RecentReceipts } from './run/recent-receipts.ts';
import { Sweeper } from './sweep/sweeper.ts';

/**
 * How long attempts may go on once the replica drains, before they are aborted, in milliseconds.
 */
export const DRAIN_MS = 8_000;
/** How long aborted attempts have to write down what became of them. */
const LAST_WORDS_MS = 1_500;
/**
 * How long the others have to take over what they have requests for, before etcd is told to delete
 * all that is left: deleting thousands of keys, and reading of it, would keep etcd and every
 * replica busy at the one moment that counts.
 */
const HEAD_START_MS = 100;

/** The coordinator as the replica drives it. */
export interface LeasesLifecycle extends Leases {
  start(): Promise<void>;
  /**
   * Takes up nothing more, and says so to everybody; what is held stays so until it is handed back.
   */
  drain(): Promise<void>;
  /** How many leases are held, with or without work. */
  readonly held: number;
  /**
   * Ends every term at once, hands back everything and leaves.
   *
   * @param headStartMs how long others, who were told, have to replace the terms before they are
   *   handed back
   */
  stop(headStartMs?: number): Promise<void>;
}

/** What a replica is made of; the simulation makes one of its own parts. */
export interface ReplicaParts {
  log: Log;
  bus: Bus;
  subjects: Subjects;
  effects: EffectRunner;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  failpoint: Failpoint | undefined;
  ttlMs: number;
  /** Makes the coordinator, which must ask the gate before it leads. */
  coordinator: (
    gate: (readEtcdRevision: () => Promise<number>) => Promise<string | undefined>,
  ) => LeasesLifecycle;
  crash: (cause: unknown) => never;
}

/**
 * One advancer replica: intake, holdings, runs, sweep, and the order in which they start and stop.
 */
export class Replica {
  readonly leases: LeasesLifecycle;
  readonly router: Router;
  readonly attempts = new Attempts();
  readonly #parts: ReplicaParts;
  readonly #context: RunContext;
  readonly #intake: Intake;
  readonly #peers: Peers;
  readonly #pulse: StallDetector;
  readonly #answeredNotes: AnswerNotices;
  readonly #sweeper: Sweeper;
  readonly #keeper: LogHealth;
  readonly #held = new TransientMap<string, HeldInstance>();
  readonly #draining = new AbortController();
  readonly #abort = new AbortController();
  #drained: Promise<{ aborted: number }> | undefined;

  constructor(parts: ReplicaParts) {
    const { bus, clock, log, logger, subjects, count } = parts;
    this.#parts = parts;
    // Every wait of every instance listens to these two; Node would take that for a leak.
    setMaxListeners(0, this.#draining.signal, this.#abort.signal);
    this.#keeper = new LogHealth({
      log,
      clock,
      logger,
      handBack: (why) => this.#handBackUnbegun(why),
    });
    this.leases = parts.coordinator((readEtcdRevision) => this.#keeper.gate(readEtcdRevision));
    const logTrouble = (cause: unknown): void => this.#keeper.notice(cause);
    this.#peers = new Peers({
      bus,
      subjects,
      clock,
      attempts: this.attempts,
      count,
      serve: (forward, message) => this.#intake.forwarded(forward, message),
    });
    this.#context = {
      log,
      leases: this.leases,
      effects: parts.effects,
      clock,
      attempts: this.attempts,
      receipts: new RecentReceipts(),
      projections: new LateProjections(clock, log, (cause) => {
        if (cause instanceof LogUnavailable) logTrouble(cause);
        else logger.error({ err: cause }, 'lines of the list of instances were not written');
      }),
      failpoint: parts.failpoint,
      logger,
      count,
      askPeer: (replicaId, about, timeoutMs) => this.#peers.runs(replicaId, about, timeoutMs),
      announce: (committed) => this.#announce(committed),
      askToSettle: (instanceId) => bus.publish(subjects.settle(instanceId), {}),
      logTrouble,
      crash: parts.crash,
      draining: this.#draining.signal,
      abort: this.#abort.signal,
      appendPatienceMs: 2_000,
      appendSuspectMs: 1_000,
      stepDownAfterMs: parts.ttlMs,
    };
    const held = (holding: Holding): HeldInstance => this.#heldInstance(holding);
    this.router = new Router({
      leases: this.leases,
      log,
      peers: this.#peers,
      clock,
      logger,
      count,
      ttlMs: parts.ttlMs,
      held,
      tellAnswered: (key, recorded) => this.#answeredNotes.add(key, recorded),
      logTrouble,
      logAway: () => this.#keeper.trouble,
    });
    this.#answeredNotes = new AnswerNotices(clock, (keys) =>
      bus.publish(subjects.answered, { keys, by: this.leases.replicaId }),
    );
    this.#pulse = new StallDetector(clock);
    const desk = new Queries(log, this.leases);
    this.#intake = new Intake({
      bus,
      subjects,
      router: this.router,
      desk,
      pulse: this.#pulse,
      replicaId: this.leases.replicaId,
      clock,
      logger,
      count,
      heard: (replicaId, serves) => this.#peers.heard(replicaId, serves),
      logTrouble,
    });
    this.#sweeper = new Sweeper({ leases: this.leases, log, clock, logger, held, logTrouble });
  }

  /** Starts in order: others' questions can be answered before anything can be held. */
  async start(): Promise<void> {
    this.#pulse.start();
    this.#peers.serve(this.leases.replicaId);
    await this.leases.start();
    this.#intake.open();
    await this.#parts.bus.flush();
    this.#sweeper.start();
  }

  /** Why this replica cannot serve at the moment; empty when it can. */
  notReady(): string[] {
    const reasons = [
      this.#draining.signal.aborted ? 'draining' : undefined,
      this.#parts.bus.connected() ? undefined : 'NATS is not connected',
      this.#keeper.trouble === undefined ? undefined : `Postgres: ${this.#keeper.trouble}`,
      this.leases.notLeading(),
    ];
    return reasons.filter((reason) => reason !== undefined);
  }

  /** How many instances are held with work or state in memory. */
  get heldCount(): number {
    return this.#held.size;
  }

  /**
   * Stops intake, hands back every instance without an attempt at once, lets attempts end for
   * {@link DRAIN_MS}, aborts what is left, hands back the rest, and leaves. Tolerates being called
   * twice. Answers how many attempts it aborted.
   */
  drain(): Promise<{ aborted: number }> {
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<{ aborted: number }> {
    const { bus, clock, logger } = this.#parts;
    this.#draining.abort('draining');
    this.#sweeper.stop();
    this.#intake.close();
    this.#answeredNotes.flush();
    this.router.close();
    // What is between two cells hands on at its next step; nothing new is begun.
    const idle = this.attempts.all().length === 0;
    // Every term without an attempt ends now, and the others may replace it as soon as they hear
    // so. Where there is no attempt at all, the end of the session hands back everything in one
    // message, however much is held.
    const stopped = idle ? this.leases.stop(HEAD_START_MS) : undefined;
    const handedBack = idle ? undefined : this.#handBackIdle('draining', HEAD_START_MS);
    this.#sayLeaving();
    void bus.flush();
    if (handedBack !== undefined) {
      // Replicas that come later did not hear that.
      void this.leases.drain();
      void handedBack.then((attempts) => {
        logger.info({ attempts }, 'draining: handed back what has no attempt');
      });
    }
    await this.#untilNoAttempts(DRAIN_MS);
    const aborted = this.attempts.all().length;
    if (aborted > 0) {
      logger.warn({ aborted }, 'draining: aborting the attempts that are still open');
      this.#abort.abort('aborted');
      await this.#untilNoAttempts(LAST_WORDS_MS);
    }
    await (stopped ?? this.leases.stop());
    this.#pulse.stop();
    this.#answeredNotes.flush();
    const said = Promise.all([bus.flush(), this.#context.projections.flush()]);
    await Promise.race([said.catch(() => undefined), clock.sleep(200)]);
    return { aborted };
  }

  async #untilNoAttempts(withinMs: number): Promise<void> {
    const over = new AbortController();
    const deadline = this.#parts.clock.sleep(withinMs, over.signal).then(() => 'deadline' as const);
    for (;;) {
      const attempts = this.attempts.all();
      if (attempts.length === 0) break;
      const ended = Promise.race(attempts.map(({ done }) => done));
      if ((await Promise.race([ended, deadline])) === 'deadline') break;
      // Whoever waits for its instance need not wait for the other attempts.
      void this.#handBackIdle('draining');
      this.#sayLeaving();
    }
    over.abort();
  }

  /**
   * Tells the others what they may replace at once: whatever this replica holds, but for what it
   * has attempts of.
   */
  #sayLeaving(): void {
    const busy = [...new Set(this.attempts.all().map(({ instanceId }) => instanceId))];
    const { bus, subjects } = this.#parts;
    bus.publish(subjects.leaving, { replicaId: this.leases.replicaId, busy });
  }

  /**
   * Hands back every holding that has no attempt in hand; answers how many attempts are in hand.
   */
  #handBackIdle(why: string, headStartMs?: number): Promise<number> {
    return this.#handBackAllBut(this.attempts.all(), why, headStartMs);
  }

  /**
   * Hands back every holding that runs no effect, and the session with them where none does. An
   * intent that is not definite is in nobody's way: its effect is given up, and its request
   * answered once this replica cannot be the one that serves it when it is asked again.
   */
  async #handBackUnbegun(why: string): Promise<void> {
    const running = this.attempts.all().filter(({ begun }) => begun);
    const handedBack =
      running.length > 0
        ? this.#handBackAllBut(running, why)
        : this.leases.notLeading() === undefined
          ? this.leases.stepDown(why)
          : undefined;
    this.attempts.giveUp();
    await handedBack;
  }

  async #handBackAllBut(
    attempts: AttemptInHand[],
    why: string,
    headStartMs?: number,
  ): Promise<number> {
    const busy = new Set(attempts.map(({ instanceId }) => instanceId));
    await this.leases.releaseAll((instanceId) => !busy.has(instanceId), why, headStartMs);
    return attempts.length;
  }

  #heldInstance(holding: Holding): HeldInstance {
    const known = this.#held.get(holding.instanceId);
    if (known?.holding === holding) return known;
    const held = new HeldInstance(this.#context, holding);
    this.#held.set(holding.instanceId, held);
    holding.onEnd(() => {
      if (this.#held.get(holding.instanceId) === held) this.#held.delete(holding.instanceId);
    });
    return held;
  }

  #announce(committed: Committed): void {
    const { bus, subjects } = this.#parts;
    const { instanceId, rows, status, receipt } = committed;
    bus.publish(
      subjects.event(instanceId),
      asJson({ instanceId, rows: rows.map(toWireRow), status, receipt }),
    );
  }
}
