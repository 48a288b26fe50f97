/** How to open the log. */
export interface LogOptions {
  /** The application's database URL. */
  url: string;
  /** Names the connections in `pg_stat_activity`; none for the command line. */
  replicaId?: string | undefined;
  /** Must be the one that `migrate` recorded; {@link Log.check} verifies it. */
  namespace: string;
  /**
   * How long a statement may stay unanswered, in milliseconds; the server must cancel it earlier.
   * Default 2000.
   */
  appendTimeoutMs?: number | undefined;
  /**
   * For tools: works as any role and with longer time limits than the role of the replicas has, in
   * three round trips per statement; see {@link ConnectionOptions.ownSettings}.
   */
  ownSettings?: boolean | undefined;
  /** Called once for each thing about the server that weakens what the log promises. */
  onWarning?: ((text: string) => void) | undefined;
}
