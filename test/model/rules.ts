import type { Ending } from './endings.ts';

/**
 * The protocol's rules as switches. All of them on is the product; a control takes one away, which
 * only test code can do.
 */
export interface Rules {
  /** The intent is committed before the effect begins. */
  intentFirst: boolean;
  /** The log refuses a token below its predecessor's. */
  tokenCheck: boolean;
  /**
   * `full`: the chain rule. `kinds`: it compares kinds but neither cell nor attempt. `none`: any
   * order is accepted.
   */
  order: 'full' | 'kinds' | 'none';
  /** Trust is checked before the intent is sent. */
  trustBeforeIntent: boolean;
  /** Trust is checked just before the effect. */
  trustBeforeEffect: boolean;
  /** A holding is trusted only under the session that acquired it. */
  trustOfTerm: boolean;
  /** The trust window closes before etcd can let the session expire. */
  windowClosesFirst: boolean;
  /** Attempts are registered for the process; `holding`: an older term's attempts are forgotten. */
  attemptsOf: 'process' | 'holding';
  /**
   * An attempt is in hand from before its intent is sent; false: once the intent is known to be in
   * the log.
   */
  registeredBeforeIntent: boolean;
  /** An attempt is in hand until its closing row is definite; false: until its effect has ended. */
  registeredUntilDefinite: boolean;
  /** "I do not run it" is a promise. */
  promise: boolean;
  /**
   * A process that promises not to run an attempt ends its term, if that is an earlier one than the
   * term that asks, and remembers nothing else.
   */
  dropsWhenRenounced: boolean;
  /** A process lists what it promised not to begin, even what does not exist: only a control. */
  listsPromises: boolean;
  /**
   * `same`: an unknown append is sent again unchanged. `renumbered`: it is changed to follow what
   * the log holds now. `rederived`: the log is read and the walk starts over. `never`: it counts as
   * failed.
   */
  resend: 'same' | 'renumbered' | 'rederived' | 'never';
  /** An intent that reads back as present is run only if nothing follows it. */
  readsOnAfterResend: boolean;
  /** What a check that fails after the intent writes; `nothing` leaves the attempt open. */
  afterFailedCheck: 'not_started' | 'interrupted' | 'nothing';
  /** A receipt rests on the newest row, under no older token. */
  receiptFenced: boolean;
  /**
   * What is refused under a request that has its receipt: every row, those that begin something, or
   * none.
   */
  receiptEnds: 'all' | 'openings' | 'nothing';
  /** A request has one receipt. */
  receiptOnce: boolean;
  /** Late outcomes are read before a doubt is decided. */
  evidenceFirst: boolean;
  /**
   * An attempt is closed by another process only once etcd says that its own process is gone, or
   * that process says no.
   */
  confirmGone: boolean;
  /** A take-over looks whether an attempt is open. */
  takeOverLooks: boolean;
  /**
   * A holder that loses to a higher token drops the holding; false: it reads on and tries again
   * under the old token.
   */
  dropsWhenFenced: boolean;
  /** A decision answers the attempt that it names, and no other. */
  decisionNamesAttempt: boolean;
  /** An outcome that the log refused is kept as a late outcome. */
  keepsEvidence: boolean;
  /** A late outcome is believed only from the process that opened the attempt, in that term. */
  ownWordOnly: boolean;
  /** A late outcome of one process does not keep out that of another one, of the same kind. */
  lateOfEach: boolean;
  /** A process that closes the attempt of another one says that it was interrupted, and no more. */
  closesAsCrash: boolean;
  /** A walk whose request was answered `unavailable` begins nothing more. */
  unavailableEnds: boolean;
  /** Endings that are recorded as if the effect had ended in another way: none. */
  takenFor: Partial<Record<Ending, Ending>>;
  /** The plan ends at a cell whose effect happened although it failed, whatever its retries. */
  happenedEnds: boolean;
  /** A doubt about an effect that happened is left to a person, whatever the cell's policy. */
  unverifiedHolds: boolean;
  /** A decision that such an effect failed says that it happened. */
  decisionKeepsHappened: boolean;
  /** A decision by a late failure says what that says: that the effect happened, or never began. */
  evidenceKeepsFlags: boolean;
  /**
   * What follows when Postgres refuses an entry for what it holds. `closed`: what closes something
   * is sent again alone, then with less data, then kept as evidence; an intent is not run.
   * `failed`: a success is recorded as a failure. `dropped`: nothing is recorded. `run`: the intent
   * is run.
   */
  rejected: 'closed' | 'failed' | 'dropped' | 'run';
  /** The row with less data says the same about the effect. */
  reducedKeepsFlags: boolean;
  /** Only a holder of the namespace's secret can ask. */
  questionsSealed: boolean;
  /** A question is for the replica that it names. */
  addresseeSealed: boolean;
  /** Only a holder of the namespace's secret can answer. */
  answersSealed: boolean;
  /**
   * What an answer is about. `question`: the question with its nonce, so no other one. `attempt`:
   * the replica and the attempt. `replica`: the replica alone.
   */
  answerSeals: 'question' | 'attempt' | 'replica';
  /** Only a holder of the namespace's secret can announce that a replica leaves. */
  notesSealed: boolean;
  /** The guard refuses whatever follows `cancelled`. */
  cancelledFinal: boolean;
  /** The plan has nothing to do for an instance that is cancelled. */
  planEndsAtCancelled: boolean;
  /** A cancellation is refused once no cell is left. */
  cancelNeedsCells: boolean;
  /** A doubt that is met while a cancellation waits is not settled by running its cell again. */
  cancelLeavesDoubts: boolean;
  /** `cancelled` names the doubt that nobody settled. */
  cancelNamesDoubt: boolean;
  /** A running attempt is closed before its instance is cancelled. */
  cancelAwaitsClosing: boolean;
  /** A person answers a halted cell only while it is halted, and by the attempt that failed. */
  haltedIsLooked: boolean;
  /** `unwinding` comes before the first undo. */
  unwindingFirst: boolean;
  /** Which satisfied cell is undone next. */
  undoOrder: 'reverse' | 'forward';
  /** `cancelled` follows an unwinding only once nothing is left to undo. */
  lastUndoWaits: boolean;
  /**
   * How an await is judged. `together`: claim and clock are read in one statement. `apart`: the
   * claim is read first. `own clock`: the deadline is judged by the clock of the replica.
   */
  awaitReads: 'together' | 'apart' | 'own clock';
  /** A claim that is there wins over a deadline that has passed. */
  claimWins: boolean;
  /** A line is written in the transaction of the rows that it is derived from. */
  lineWithCommit: boolean;
  /** A line that waits for a claim is written under the claim's lock, and reads the claim again. */
  lineReadsClaim: boolean;
  /** A line does not go back to an older row. */
  lineNeverBack: boolean;
  /** A claim for which somebody waits is noted in the transaction that makes it. */
  claimsAreNoted: boolean;
  /** A note is kept until nobody waits for its claim; false: until somebody acts on it. */
  notesOutliveLooks: boolean;
  /** A request that nobody made leaves no receipt if it wrote no row. */
  derivedUnrecorded: boolean;
}

/** The protocol with every rule. */
export const PROTOCOL: Rules = {
  intentFirst: true,
  tokenCheck: true,
  order: 'full',
  trustBeforeIntent: true,
  trustBeforeEffect: true,
  trustOfTerm: true,
  windowClosesFirst: true,
  attemptsOf: 'process',
  registeredBeforeIntent: true,
  registeredUntilDefinite: true,
  promise: true,
  dropsWhenRenounced: true,
  listsPromises: false,
  resend: 'same',
  readsOnAfterResend: true,
  afterFailedCheck: 'not_started',
  receiptFenced: true,
  receiptEnds: 'all',
  receiptOnce: true,
  evidenceFirst: true,
  confirmGone: true,
  takeOverLooks: true,
  dropsWhenFenced: true,
  decisionNamesAttempt: true,
  keepsEvidence: true,
  ownWordOnly: true,
  lateOfEach: true,
  closesAsCrash: true,
  unavailableEnds: true,
  takenFor: {},
  happenedEnds: true,
  unverifiedHolds: true,
  decisionKeepsHappened: true,
  evidenceKeepsFlags: true,
  rejected: 'closed',
  reducedKeepsFlags: true,
  questionsSealed: true,
  addresseeSealed: true,
  answersSealed: true,
  answerSeals: 'question',
  notesSealed: true,
  cancelledFinal: true,
  planEndsAtCancelled: true,
  cancelNeedsCells: true,
  cancelLeavesDoubts: true,
  cancelNamesDoubt: true,
  cancelAwaitsClosing: true,
  haltedIsLooked: true,
  unwindingFirst: true,
  undoOrder: 'reverse',
  lastUndoWaits: true,
  awaitReads: 'together',
  claimWins: true,
  lineWithCommit: true,
  lineReadsClaim: true,
  lineNeverBack: true,
  claimsAreNoted: true,
  notesOutliveLooks: true,
  derivedUnrecorded: true,
};
