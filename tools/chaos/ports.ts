import type { Evidence } from '../../src/audit/evidence.ts';

/** What chaos needs of the log; the command line, which knows Postgres, hands it in. */
export interface ChaosPorts {
  /** Makes the schema in an empty database. @returns the application's URL */
  migrate(superuserUrl: string, namespace: string): Promise<string>;
  /** Checks and stores runbooks, as `runbook push` would. */
  pushRunbooks(databaseUrl: string, namespace: string, documents: readonly object[]): Promise<void>;
  /**
   * Everything that the log knows, one instance after the other, of instances whose id begins with
   * the prefix.
   *
   * @param since ISO 8601: nothing of them was recorded before
   */
  readLog(
    databaseUrl: string,
    namespace: string,
    of: { prefix: string; since: string },
  ): Promise<LogReading>;
}

/** A log that is being read. */
export interface LogReading {
  /** The server's own version, such as 15.18. */
  postgresVersion: string;
  instances: AsyncIterable<LogEvidence>;
}

/** The log's evidence of one instance, with the times that a timeline needs. */
export interface LogEvidence {
  evidence: Evidence;
  /**
   * ISO 8601 times of `evidence.receipts`, `evidence.lateOutcomes` and `evidence.refusals`, in
   * their order.
   */
  receiptTimes: readonly string[];
  lateTimes: readonly string[];
  refusalTimes: readonly string[];
  /** Reasons of the refusals, in their order. */
  refusalReasons: readonly string[];
}
