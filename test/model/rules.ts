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
   * `full`: the chain rule; `kinds`: it compares kinds but neither cell nor attempt; `none`: any
   * order goes.
   */
  order: 'full' | 'kinds' | 'none';
  /** Trust is checked before the intent is sent. */
  trustBeforeIntent: boolean;
  /** Trust is checked just before the effect. */
  trustBeforeEffect: boolean;
  /** A holding is trusted only under the very session that it was got under. */
  trustOfTerm: boolean;
  /** The trust window closes before etcd can let the session expire. */
  windowClosesFirst: boolean;
  /** Attempts are registered for the process; `holding`: an older term's attempts are forgotten. */
  attemptsOf: 'process' | 'holding';
  /**
   * An attempt is in hand from before its intent is sent; false: once the intent is known to stand.
   */
  registeredBeforeIntent: boolean;
  /** An attempt is in hand until its closing row is definite; false: until its effect has ended. */
  registeredUntilDefinite: boolean;
  /** "I do not run it" binds whoever says it. */
  promise: boolean;
  /** A term that renounced an attempt is over: whoever asked has replaced it. */
  dropsWhenRenounced: boolean;
  /**
   * An unknown append is sent again, the very same; `renumbered`: behind what the log holds by now;
   * `rederived`: the log is read and the walk begins anew; `never`: it is taken for failed.
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
   * An attempt is closed by another only once etcd says that its process is gone, or that process
   * says no.
   */
  confirmGone: boolean;
  /** A take-over looks whether an attempt is open. */
  takeOverLooks: boolean;
  /**
   * Whoever loses to a higher token drops the holding; false: reads on and tries again under the
   * old token.
   */
  dropsWhenFenced: boolean;
  /** A decision answers the attempt that it names, and no other. */
  decisionNamesAttempt: boolean;
  /** An outcome that the log refused is kept as a late outcome. */
  keepsEvidence: boolean;
  /** A walk whose request was told `unavailable` begins nothing more. */
  unavailableEnds: boolean;
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
  unavailableEnds: true,
};
