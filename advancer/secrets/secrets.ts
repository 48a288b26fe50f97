import { NO_REDACTION, type Redaction } from './redaction.ts';

/** The secrets of a replica, as effects and log lines need them. */
export interface Secrets {
  /** The value that a secret has now; undefined if this replica lacks it. */
  value(name: string): string | undefined;
  /**
   * Redacts every value that this replica knows. Ask for it when something is to be redacted: it
   * also knows what has changed until then.
   */
  redaction(): Redaction;
}

/** Of a replica without secrets. */
export const NO_SECRETS: Secrets = {
  value: () => undefined,
  redaction: () => NO_REDACTION,
};
