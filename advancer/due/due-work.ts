import type { Leases } from '../../coordinator/leases.ts';
import type { Holding } from '../../src/lease/holding.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { ClusterView } from '../intake/cluster-view.ts';
import type { HandOver } from '../intake/hand-over.ts';
import type { Log } from '../log/log.ts';
import type { Counted } from '../run/context.ts';
import type { HeldInstance } from '../run/held-instance.ts';
import { Looks } from './looks.ts';
import { DuePoll } from './poll.ts';
import { Sweeper } from './sweeper.ts';
import { ClusterTurns } from './turns.ts';
import { Wakes } from './wakes.ts';

/** What is announced together goes into one note. */
const ANNOUNCE_MS = 20;
/** More looks than this wait to be found by the poll. */
const MAX_LOOKS = 1_000;

/** What {@link DueWork} needs from the rest of the replica. */
export interface DueWorkOptions {
  view: ClusterView;
  leases: Leases;
  log: Pick<Log, 'unsettled' | 'children' | 'due'>;
  clock: Clock;
  logger: Logger;
  /** The one runner of an instance under a holding. */
  held: (holding: Holding) => HeldInstance;
  handOver: Pick<HandOver, 'handOver'>;
  /** Has the children of a cancelled instance cancelled. */
  cancelChildren: (parentId: string) => void;
  /** Tells the other replicas that something is due. */
  announce: () => void;
  count: (event: Counted) => void;
  /** Postgres did not answer. */
  logTrouble: (cause: unknown) => void;
}

/** The work that nobody asks for, in one place: what was left open or in doubt, and what is due. */
export class DueWork {
  /** Whose turn it is. */
  readonly turns: ClusterTurns;
  readonly #options: DueWorkOptions;
  readonly #looks: Looks;
  readonly #wakes: Wakes;
  readonly #poll: DuePoll;
  readonly #sweeper: Sweeper;
  #announcing = false;
  #stopped = false;

  constructor(options: DueWorkOptions) {
    const { view, leases, log } = options;
    this.#options = options;
    this.turns = new ClusterTurns(view, leases);
    const { turns } = this;
    this.#looks = new Looks({ ...options, turns });
    const looks = this.#looks;
    this.#wakes = new Wakes({ ...options, lines: log.due, turns, looks });
    this.#poll = new DuePoll({ ...options, lines: log.due, turns, looks, wakes: this.#wakes });
    this.#sweeper = new Sweeper({ ...options, turns });
  }

  start(): void {
    this.#sweeper.start();
    this.#poll.start();
  }

  /** Begins nothing more; what is under way goes on. */
  stop(): void {
    this.#stopped = true;
    this.#sweeper.stop();
    this.#poll.stop();
    this.#wakes.stop();
    this.#looks.stop();
  }

  /**
   * This instance may be due: look now. Cheap, never waits, and may be called as often as one
   * likes; one that is not due, or is attended, is left as it is. If it is another replica's turn,
   * the others are told that something is due.
   */
  look(instanceId: string): void {
    if (this.#stopped) return;
    if (!this.turns.mineToAct(instanceId)) this.#announce();
    else if (this.#looks.size >= MAX_LOOKS) this.#poll.soon();
    else {
      void this.#looks.room().then(() => {
        if (!this.#stopped && this.#looks.wants(instanceId, 0)) void this.#looks.look(instanceId);
      });
    }
  }

  /** Something was recorded that others may wait for: a claim, or the end of a child. */
  noted(): void {
    this.#poll.soon();
    this.#announce();
  }

  /** Another replica says that something is due. */
  announced(): void {
    this.#poll.soon();
  }

  #announce(): void {
    if (this.#announcing || this.#stopped) return;
    this.#announcing = true;
    this.#options.clock.after(ANNOUNCE_MS, () => {
      this.#announcing = false;
      if (!this.#stopped) this.#options.announce();
    });
  }
}
