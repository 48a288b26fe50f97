import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { Claim, Line } from './due.ts';
import type { Ending } from './endings.ts';
import type { Breach } from './guarantees.ts';
import type { History } from './history.ts';
import type { Late } from './late.ts';
import type { Recording } from './recording.ts';
import { PLACES } from './renaming.ts';
import type { Faults, Scenario } from './scenario.ts';

/** An attempt by name: `x1` is the first attempt of cell x. */
export type AttemptKey = string;

/** One write to the log on its way: what it makes of the log, and where it begins. */
export interface Entry {
  readonly view: History;
  /** The rows of the view from here on are the entry's. */
  readonly base: number;
  readonly token: number;
  readonly replicaId: string;
  /** If it leaves the instance parked: the revision of the claim that was seen, 0 for none. */
  readonly parks: number | undefined;
  /** The receipt that rides along, or comes alone. */
  readonly receipt: { readonly request: string; readonly outcome: ReceiptOutcome } | undefined;
}

export type ReceiptOutcome = 'completed' | 'halted' | 'in_doubt' | 'parked' | 'cancelled';

/** A recorded receipt, and the log on which it rests. */
export interface Recorded {
  readonly request: string;
  readonly outcome: ReceiptOutcome;
  readonly view: History;
  readonly token: number;
  readonly replicaId: string;
}

/** What really happened, which no process can see as a whole. */
interface Effect {
  readonly attempt: AttemptKey;
  readonly times: number;
  /** A probe has found that it happened. */
  readonly found: boolean;
  /** Undefined while it runs, and if nobody knows. */
  readonly ended: Exclude<Ending, 'unknown'> | undefined;
  /** The living process that saw it end. */
  readonly knownTo: string | undefined;
}

/** A person's answer to a doubt or a halted cell, on its way to the instance's holder. */
export interface Decision {
  readonly attempt: AttemptKey;
  readonly as: Verdict;
}

/** A person's wish that the instance is cancelled, on its way to its holder. */
export interface Cancel {
  readonly undo: boolean;
}

/** What a process is asked to do with the instance. */
export type Operation =
  | {
      readonly do: 'advance';
      readonly request: string;
      /** Of a request that nobody made: the cell that it is for. */
      readonly cell?: string;
    }
  | { readonly do: 'settle' }
  | { readonly do: 'decide'; readonly decision: Decision }
  | { readonly do: 'cancel' };

/** A walk's position. Between two of these, others may act. */
type Place =
  /** About to read the log. */
  | 'read'
  /** Has the log, kept from earlier, and goes on from it. */
  | 'ready'
  /** Waits before the next attempt; what it knows is in the log. */
  | 'waiting'
  /** Asks etcd whether the process of the open attempt is gone. */
  | 'confirm'
  /** Asks that process itself. */
  | 'ask'
  /** Asks a process that is gone from etcd and still there. */
  | 'ask gone'
  /** Reads the late outcomes. */
  | 'evidence'
  /** Reads the claim and the database's clock. */
  | 'judge'
  /** Has read the claim, which was not made, and reads the clock: only a control gets here. */
  | 'judge clock'
  | 'probe'
  /** An append is on its way, or its answer was lost and it is sent again. */
  | 'sending'
  /** The intent reads back as present; whether a row follows it is not known yet. */
  | 'verify'
  /** The intent is in the log; the effect has not begun. */
  | 'intended'
  /** The effect is under way. */
  | 'running'
  /** Stores what the log refused as late outcomes. */
  | 'keeping'
  /** Leaves its own open attempt as it is: only a control gets here. */
  | 'stranded';

/** What follows the append that is on its way. */
type After =
  | 'begin'
  | 'wait'
  | 'judge'
  /** A cancellation is applied: the walk goes on. */
  | 'applied'
  | 'end'
  /** It was refused because its request has its receipt: what closes something goes alone. */
  | 'salvaged'
  /** Postgres refused it for what it holds: what closes something goes alone. */
  | 'closed'
  /** And was refused again: it goes with less data. */
  | 'reduced'
  /** Evidence is kept: the log is read again. */
  | 'read';

/** One walk over the log under one term: a holding does one thing at a time. */
export interface Work {
  readonly token: number;
  operation: Operation;
  at: Place;
  /** The log as this walk knows it, with the rows that it proposes. */
  view: History;
  /** How many rows of the view are committed, as far as this walk knows. */
  base: number;
  after: After;
  /** What the entry on its way says in its receipt. */
  outcome: ReceiptOutcome | undefined;
  /** If it leaves the instance parked: the revision of the claim that was seen. */
  parks: number | undefined;
  /** In hand: the attempt whose intent is being sent. */
  intent: AttemptKey | undefined;
  /** In hand: the attempt that runs, or whose closing row is not definite yet. */
  closing: AttemptKey | undefined;
  /** The attempt that it had in hand when its process promised not to begin it. */
  renounced: AttemptKey | undefined;
  /** The genuine answer to its question, if it is held back on the bus. */
  heldBack: AttemptStatement | undefined;
  /** An answer to the entry on its way was lost. */
  resent: boolean;
  /** The intent was unknown for too long. */
  abandoned: boolean;
  /** The request was answered `unavailable`, and the walk goes on all the same. */
  answeredUnavailable: boolean;
}

/** A term of a process. */
interface Holding {
  readonly token: number;
  /** The log as it was last known. */
  readonly known: History | undefined;
  /** The cancellation that waits to be applied. */
  readonly cancel: Cancel | undefined;
}

export interface Process {
  readonly place: (typeof PLACES)[number];
  life: number;
  up: boolean;
  draining: boolean;
  /** Whether the trust window of its session is open. */
  open: boolean;
  /** Whether its key is in etcd. */
  registered: boolean;
  /** The present term. */
  holding: Holding | undefined;
  /** The term that it is about to take over. */
  taking: number | undefined;
  works: Work[];
  /** Attempts that it has promised not to begin. Only a control keeps such a list. */
  promised: readonly AttemptKey[];
}

/**
 * The whole world: what etcd and Postgres hold, what is on its way, every process, and what really
 * happened.
 */
export interface World {
  log: History;
  receipts: readonly Recorded[];
  late: readonly Late[];
  /** etcd's lease key. `stale`: it is attached to an earlier session of its process. */
  lease: { readonly by: string; readonly token: number; readonly stale: boolean } | undefined;
  /** The newest token that was issued. */
  token: number;
  /** Entries that nobody waits for any more, and that may still arrive. */
  ghosts: readonly Entry[];
  decisions: readonly Decision[];
  cancels: readonly Cancel[];
  /** The newest revision of the claim that awaits wait for. */
  claim: Claim | undefined;
  /** Whether, by the database's clock, their deadline has passed. */
  due: boolean;
  /** Whether the claim was made before that. */
  claimedInTime: boolean;
  /** Whether the instance goes on by itself. */
  readonly unattended: boolean;
  /** What brings it back then; undefined if nothing does. */
  line: Line | undefined;
  /** The revisions that were noted for those who waited. */
  notes: readonly number[];
  effects: readonly Effect[];
  processes: Process[];
  recording: Recording;
  /** What may still go wrong. */
  faults: Faults;
  /** What the step into this state did against the guarantees. */
  breaches: Breach[];
}

/**
 * A world in which nothing has happened: every process has its session, and none holds the
 * instance.
 */
export function firstWorld(empty: History, scenario: Scenario): World {
  const { replicas, faults, unattended } = scenario;
  return {
    log: empty,
    receipts: [],
    late: [],
    lease: undefined,
    token: 0,
    ghosts: [],
    decisions: [],
    cancels: [],
    claim: undefined,
    due: false,
    claimedInTime: false,
    unattended,
    line: unattended ? { seq: 0, time: 'now', seen: undefined } : undefined,
    notes: [],
    effects: [],
    processes: PLACES.slice(0, replicas).map((place) => ({
      place,
      life: 1,
      up: true,
      draining: false,
      open: true,
      registered: true,
      holding: undefined,
      taking: undefined,
      works: [],
      promised: [],
    })),
    recording: { questions: [], answers: [] },
    faults: { ...faults },
    breaches: [],
  };
}

/** A copy that a step may change: what is readonly is shared. */
export function copyOf(world: World): World {
  return {
    ...world,
    processes: world.processes.map((process) => ({
      ...process,
      works: process.works.map((work) => ({ ...work })),
    })),
    faults: { ...world.faults },
    breaches: [],
  };
}

export function replicaIdOf({ place, life }: Process): string {
  return `${place}${life}`;
}

export function attemptKey({ cellId, attempt }: { cellId: string; attempt: number }): AttemptKey {
  return `${cellId}${attempt}`;
}

/** Whether the attempt that the walk has in hand is renounced: then its effect never begins. */
export function hasRenounced({ renounced, intent, closing }: Work, attempt: AttemptKey): boolean {
  return renounced === attempt && (intent === attempt || closing === attempt);
}

/** Whether the process really has the attempt in hand, no matter what it would answer. */
export function inHand(process: Process, attempt: AttemptKey): boolean {
  return process.works.some(({ intent, closing }) => intent === attempt || closing === attempt);
}
