import type { AttemptStatement } from '../../advancer/run/attempts.ts';

/** A question on the bus: whether `to` runs the attempt. */
export interface Question {
  readonly by: string;
  readonly to: string;
  readonly attempt: string;
  /** The term that asks. */
  readonly token: number;
}

/** An answer on the bus. */
export interface Answer {
  readonly from: string;
  readonly attempt: string;
  readonly statement: AttemptStatement;
}

/** What an adversary has recorded of what was said on the bus, to say it again. */
export interface Recording {
  readonly questions: readonly Question[];
  readonly answers: readonly Answer[];
}
