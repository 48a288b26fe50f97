import { nextStep, type NextStep } from '../../src/execution/plan.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Snapshot } from '../log/log.ts';
import { closeAttempt } from './close.ts';
import type { RunContext } from './context.ts';
import { InstanceLog, type Requester } from './instance-log.ts';

/** Why a job was not done. */
export type NotDone =
  | 'no_instance'
  /** The log has a higher token. */
  | 'superseded'
  /** The holding is not trusted any more. */
  | 'not_trusted'
  /** Postgres refuses what the job wants to record. */
  | { rejected: string };

/** The answer of a {@link Job} that has to start over from the log as it is now. */
export type ReadAgain = 'read_again';

/** Something to do to one instance under one holding. See {@link Recovery.recover}. */
export interface Job<T> {
  /** The requester of the rows that the job needs written. */
  readonly requester: Requester;
  /** Called when the log has been read, before anything is proposed. A result ends the job. */
  admit?(log: InstanceLog): T | undefined | Promise<T | ReadAgain>;
  /** Called when an attempt is open and may not be closed: its process runs it, or may do so. */
  stillOpen(log: InstanceLog, step: Extract<NextStep, { do: 'close' }>): T | Promise<T | ReadAgain>;
  /** Does the job. No attempt is open. What it leaves proposed is committed afterwards. */
  work(log: InstanceLog): Promise<T | ReadAgain>;
  /** The result when the job was not done. */
  notDone(why: NotDone): T;
}

/**
 * Up to this many rows, the log of an instance that has ended is forgotten: it is rarely asked for
 * again, and reading it once more costs less than keeping it for the garbage collector to trace for
 * as long as the lease is held.
 */
const SHORT_LOG = 64;

/**
 * The log of a held instance: read when it is needed, kept while it is known to be true, and read
 * again when it is not. Its callers take turns.
 */
export class Recovery {
  readonly #context: RunContext;
  readonly #holding: Holding;
  #log: InstanceLog | undefined;
  /** What a request read before its turn came. */
  #snapshot: Snapshot | undefined;
  /** Whether the log has been read under this holding. */
  #known = false;

  constructor(context: RunContext, holding: Holding) {
    this.#context = context;
    this.#holding = holding;
  }

  /** The log as it was last read; undefined if it has not been read, or is forgotten. */
  get log(): InstanceLog | undefined {
    return this.#log;
  }

  /** Offers what was read just now, which saves the next job from reading the log. */
  offer(snapshot: Snapshot | undefined): void {
    this.#snapshot = snapshot;
  }

  /** The log is read again for the next job. */
  forget(): void {
    this.#log = undefined;
    this.#snapshot = undefined;
  }

  /** Forgets the log of an instance that has ended, unless reading it again would cost much. */
  forgetIfEnded(): void {
    const view = this.#log?.view;
    if (view === undefined || view.state.lastSeq > SHORT_LOG) return;
    const step = nextStep(view);
    if (step.do === 'complete' || step.do === 'cancelled') this.forget();
  }

  /**
   * Does a job on the log: loads it, closes the attempt that a dead process left open, lets the job
   * do its work, and commits what is proposed. If the log has moved on meanwhile, it starts over.
   *
   * If the job throws, what is proposed is still committed, and the log is read again next time.
   */
  async recover<T>(job: Job<T>): Promise<T> {
    for (;;) {
      if (!this.#holding.trusted()) return job.notDone('not_trusted');
      const log = this.#trueLog() ?? (await this.#load(job.requester));
      if (typeof log === 'string') return job.notDone(log);
      const result = await this.#doOnce(job, log);
      if (result !== 'read_again') return result;
      this.forget();
    }
  }

  async #doOnce<T>(job: Job<T>, log: InstanceLog): Promise<T | ReadAgain> {
    try {
      const refusal = job.admit?.(log);
      if (refusal !== undefined) return await refusal;
      if (log.view.state.open !== undefined) {
        const step = nextStep(log.view);
        if (step.do === 'close' && !(await closeAttempt(this.#context, log, step, job.requester)))
          return await job.stillOpen(log, step);
      }
      const result = await job.work(log);
      if (result === 'read_again' || !log.dirty) return result;
      const commit = await log.commit();
      if (commit.kind === 'committed') return result;
      if (commit.kind === 'rejected') {
        this.forget();
        return job.notDone({ rejected: commit.why });
      }
      return commit.kind === 'handed_on' ? job.notDone('not_trusted') : 'read_again';
    } catch (cause) {
      this.forget();
      // A known outcome is written even if the job failed to find out what should follow it.
      if (log.dirty) await log.commit();
      throw cause;
    }
  }

  /** The log, unless it has rows that were refused, or proposed and never committed. */
  #trueLog(): InstanceLog | undefined {
    return this.#log?.diverged === false && !this.#log.dirty ? this.#log : undefined;
  }

  async #load(requester: Requester): Promise<InstanceLog | 'no_instance' | 'superseded'> {
    const { instanceId } = this.#holding;
    // A snapshot that was read on arrival is used only if nothing can have changed since.
    const offered = this.#log === undefined ? this.#snapshot : undefined;
    this.forget();
    const snapshot = offered ?? (await this.#context.log.snapshot(instanceId));
    if (snapshot === undefined) return 'no_instance';
    const log = new InstanceLog(this.#context, this.#holding, snapshot);
    if (log.superseded) {
      await this.#lostTo(log.view.state.lastToken);
      return 'superseded';
    }
    this.#log = log;
    this.#logTakeover(log, requester);
    return log;
  }

  /** Logs once that another replica had the instance before. */
  #logTakeover({ view }: InstanceLog, { requestId }: Requester): void {
    if (this.#known) return;
    this.#known = true;
    const { leases, logger } = this.#context;
    const { last, open } = view.state;
    if (last === undefined || last.replicaId === leases.replicaId) return;
    const { instanceId, token } = this.#holding;
    const { cellId, attempt, replicaId: from } = last;
    const event = { instanceId, cellId, attempt, token, requestId, from, open: open !== undefined };
    logger.info(event, 'took over an instance of another replica');
  }

  /** The log has a higher token: from a later term, or etcd was restored from an old backup. */
  async #lostTo(token: number): Promise<void> {
    const { leases, logger } = this.#context;
    const { instanceId } = this.#holding;
    const seen = await leases.look(instanceId);
    leases.supersede(this.#holding);
    if (typeof seen === 'string' || seen.token !== this.#holding.token) return;
    logger.error(
      { instanceId, mine: this.#holding.token, inLog: token },
      "etcd's revision is behind the log",
    );
    await leases.stepDown(
      `the log has token ${token} for ${instanceId}, above etcd's newest ${seen.token}`,
    );
  }
}
