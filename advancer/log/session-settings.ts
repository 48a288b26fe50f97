import { escapeIdentifier, escapeLiteral } from 'pg';

/** The application's role; its settings are those of the replicas' sessions. */
export const APP_ROLE = 'leasehold_app';

/** How long the server lets a replica's statement run: less than the replica waits for it. */
const STATEMENT_TIMEOUT_MS = 1_500;

/** A setting of Postgres that the log depends on. */
interface Setting {
  readonly name: string;
  /** What `migrate` gives the role; undefined if no ordinary role may choose it. */
  readonly ofRole?: string;
  /** What an error says is wanted. */
  readonly wanted: string;
  readonly accepts: (value: string, queryTimeoutMs: number) => boolean;
}

function exactly(name: string, value: string, others: readonly string[] = []): Setting {
  const accepted = [value, ...others].map((text) => text.toLowerCase());
  const wanted = [value, ...others].join(' or ');
  return {
    name,
    ofRole: value,
    wanted,
    accepts: (found) => accepted.includes(found.toLowerCase()),
  };
}

/**
 * Every setting that the log depends on.
 *
 * They belong to the role, because a pooler refuses them when a connection is opened, and one in
 * transaction mode would give a `SET` to another client's transactions. That they hold is verified
 * on each connection.
 */
const SETTINGS: readonly Setting[] = [
  // The guard's locks need it.
  exactly('default_transaction_isolation', 'read committed', ['read uncommitted']),
  // A row that was reported as committed must survive a power failure, and a failover if the
  // server waits for a standby.
  exactly('synchronous_commit', 'on', ['remote_apply']),
  // These two fix the text format of times.
  exactly('TimeZone', 'UTC', ['Etc/UTC', 'GMT']),
  { ...exactly('DateStyle', 'ISO'), accepts: (found) => /^ISO\b/i.test(found) },
  // Otherwise a column without a value would receive the text NULL.
  exactly('array_nulls', 'on'),
  // The server gives up before the client does, so that no abandoned statement piles up there.
  {
    name: 'statement_timeout',
    ofRole: `${STATEMENT_TIMEOUT_MS}ms`,
    wanted: `${STATEMENT_TIMEOUT_MS}ms, or another time below the replica's own limit`,
    accepts: (found, queryTimeoutMs) => {
      const limitMs = milliseconds(found);
      return limitMs > 0 && limitMs < queryTimeoutMs;
    },
  },
  // Statements here touch a few rows each; compiling them would take longer than running them.
  exactly('jit', 'off'),
  // Every statement looks up or follows a key. Without these, the planner would use its default
  // estimates for tables that have no statistics yet, and keep that plan while they grow: it would
  // scan a table for each of its rows.
  exactly('enable_seqscan', 'off'),
  exactly('enable_hashjoin', 'off'),
  exactly('enable_mergejoin', 'off'),
  // One plan fits every append; without this, each would be planned again.
  exactly('plan_cache_mode', 'force_generic_plan'),
  // With `replica`, the guard's triggers would not run.
  {
    name: 'session_replication_role',
    wanted: 'origin',
    accepts: (found) => found === 'origin' || found === 'local',
  },
  { name: 'client_encoding', wanted: 'UTF8', accepts: (found) => found === 'UTF8' },
];

/** Settings of the server that only matter if the machine itself fails. */
const SERVER_SETTINGS = ['fsync', 'full_page_writes'] as const;

/** Reads everything that {@link settingProblems} and {@link settingWarnings} judge. */
export const READ_SETTINGS = `select ${[...SETTINGS.map(({ name }) => name), ...SERVER_SETTINGS]
  .map((name) => `current_setting(${escapeLiteral(name)}) as ${escapeIdentifier(name)}`)
  .join(', ')}, current_user as role, current_database() as database`;

/** What {@link READ_SETTINGS} returns. */
export type SessionState = Record<string, string> & { role: string; database: string };

/**
 * Why the log must not be used over this connection; undefined when it may. The text names each
 * setting, what was found, what is wanted, and what to do.
 */
export function settingProblem(state: SessionState, queryTimeoutMs: number): string | undefined {
  const wrong = SETTINGS.filter(({ name, accepts }) => !accepts(state[name] ?? '', queryTimeoutMs));
  if (wrong.length === 0) return undefined;
  const found = wrong.map(({ name, wanted }) => `${name} is ${state[name]}, not ${wanted}`);
  return `the session has settings that the log cannot work with (${found.join('; ')}): ${remedy(wrong, state)}`;
}

function remedy(wrong: readonly Setting[], { role, database }: SessionState): string {
  const parts: string[] = [];
  if (wrong.some(({ ofRole }) => ofRole !== undefined)) {
    parts.push(
      role === APP_ROLE
        ? 'run `leasehold migrate`, which sets them for leasehold_app; if that changes nothing, take them out of ' +
            'the options of LEASEHOLD_DATABASE_URL or PGOPTIONS, and let a pooler open its connections again (RECONNECT)'
        : `connect as leasehold_app, or run: ${alterRole(role, database)
            .filter((_, index) => wrong.includes(OF_ROLE[index]!))
            .join('; ')}`,
    );
  }
  for (const { name, ofRole } of wrong) {
    if (ofRole === undefined) parts.push(`find out who sets ${name} for ${role}, and undo it`);
  }
  return parts.join('; ');
}

/** What a power failure may take from this server; one line each. */
export function settingWarnings(state: SessionState): string[] {
  return SERVER_SETTINGS.filter((name) => state[name] === 'off').map(
    (name) =>
      `Postgres runs with ${name} = off: if its machine loses power, rows that were reported as recorded may be lost. ` +
      `Set ${name} = on in postgresql.conf, except for tests`,
  );
}

const OF_ROLE = SETTINGS.filter(({ ofRole }) => ofRole !== undefined);

/** The statements that give a role its settings in a database. */
export function alterRole(role: string, database: string): string[] {
  return OF_ROLE.map(
    ({ name, ofRole }) =>
      `ALTER ROLE ${escapeIdentifier(role)} IN DATABASE ${escapeIdentifier(database)} SET ${name} TO ${escapeLiteral(ofRole!)}`,
  );
}

/**
 * Whether a role has the settings already.
 *
 * @param config its settings in the database, as `name=value`
 */
export function hasRoleSettings(config: readonly string[]): boolean {
  const present = new Set(config.map((line) => line.toLowerCase()));
  return OF_ROLE.every(({ name, ofRole }) => present.has(`${name}=${ofRole}`.toLowerCase()));
}

/**
 * Begins a transaction that has the settings itself, whatever the role's are, but lets the
 * planner see the parameters of each statement.
 */
export function beginWithSettings(statementTimeoutMs: number): string {
  const own = OF_ROLE.filter(
    ({ name }) => !['default_transaction_isolation', 'plan_cache_mode'].includes(name),
  ).map(({ name, ofRole }) =>
    name === 'statement_timeout'
      ? `set local statement_timeout to ${Math.ceil(statementTimeoutMs)}`
      : `set local ${name} to ${escapeLiteral(ofRole!)}`,
  );
  return ['begin isolation level read committed', ...own].join('; ');
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A time as Postgres shows it: `0`, `1500ms`, `2s`. */
function milliseconds(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)\s*([a-z]*)$/.exec(text) ?? [];
  return Number(number === '' ? Number.NaN : number) * (UNITS[unit] ?? Number.NaN);
}
