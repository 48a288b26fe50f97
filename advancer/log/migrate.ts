import { Client, DatabaseError } from 'pg';

import { shippedFunctions } from './function-files.ts';
import type { SqlFunction } from './function-files.ts';
import { FunctionUpdates } from './function-updates.ts';
import { labelOf, shippedMigrations } from './migration-files.ts';
import type { Migration } from './migration-files.ts';
import { bootstrap, claimNamespace, refuseOldNumbering } from './bootstrap.ts';
import { MigrationRefused, wrongEncoding } from './migration-refused.ts';
import { isRefusal } from './connections.ts';
import { DatabaseTarget } from './database-target.ts';
import {
  OWNER_ROLE,
  ensureRoles,
  ensureSettings,
  hasSettings,
  rolesWithoutPassword,
  setPassword,
} from './roles.ts';
import { asksForPassword, troubleText } from './postgres-trouble.ts';
import { reservedIds, type ReservedIds } from './reserved-ids.ts';
import type { RolePasswords } from './roles.ts';
import { adoptTransactionIds } from './transaction-ids.ts';
import { APP_ROLE } from './session-settings.ts';

/** What to migrate. */
export interface MigrateOptions {
  /**
   * Of `leasehold_owner`, of a member of it, or of a role that may create roles; the last creates
   * both roles too.
   */
  url: string;
  /** Recorded by the first run; any other is refused from then on. */
  namespace: string;
  /** Set whether the roles exist already or not; the application's needs a superuser. */
  passwords?: RolePasswords | undefined;
  /**
   * The application's URL. If `passwords` has none for it, its role gets the password in it. Needed
   * if the role of `url` may not set the settings of `leasehold_app`: that role itself may.
   */
  appUrl?: string | undefined;
  /** Default: those that the program was shipped with. */
  migrations?: readonly Migration[] | undefined;
  /** Default: those that the program was shipped with. */
  functions?: readonly SqlFunction[] | undefined;
}

/** What a migration run did. */
export interface MigrateReport {
  /** Names of the migrations that this run applied; empty when there was nothing to do. */
  applied: string[];
  /** Functions that this run created or replaced. */
  functions: string[];
  /** Functions that it left alone, since the database has a later text than this program. */
  kept: string[];
  version: number;
  namespace: string;
  /**
   * Whether the rows had transaction ids of another Postgres cluster, which this run removed: the
   * database was copied from there.
   */
  copied: boolean;
  /** Stored runbook versions that cannot run, because of the ids of their cells. */
  reserved: ReservedIds[];
  /** Roles that cannot log in by password, on a server that asks for one. */
  withoutPassword: string[];
}

const OWNER_DATABASE_URL = 'LEASEHOLD_OWNER_DATABASE_URL';
/** Serialises runs in one database. */
const MIGRATION_LOCK = 5_498_620_917_342;

/**
 * Brings a database's schema up to date: all pending migrations and changed functions in one
 * transaction, or none. Running it twice, or from several places at once, is harmless.
 *
 * @throws MigrationRefused with what to do about it
 * @throws LogUnavailable when Postgres does not answer; errors of `pg` otherwise
 */
export async function migrate(options: MigrateOptions): Promise<MigrateReport> {
  const target = new DatabaseTarget(options.url, OWNER_DATABASE_URL);
  const client = await connect(target, `the role in ${OWNER_DATABASE_URL}`);
  try {
    await refuseEncoding(client);
    await prepareRoles(client, options);
    await client.query('begin isolation level read committed');
    // Of this transaction only: a pooler may give the session to somebody else.
    await client.query(`set local role ${OWNER_ROLE}`);
    await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    const report = await bringUpToDate(client, options);
    await client.query('commit');
    return { ...report, withoutPassword: await rolesWithoutPassword(client) };
  } catch (cause) {
    // Whether a lost COMMIT took effect does not matter: running it again is harmless.
    const lost =
      cause instanceof DatabaseError
        ? !isRefusal(cause)
        : cause instanceof Error && cause.message.startsWith('Connection terminated');
    throw lost ? target.unavailable(cause) : cause;
  } finally {
    await client.end();
  }
}

/** Before anything is created: the encoding of a database never changes. */
async function refuseEncoding(client: Client): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('show server_encoding');
  const encoding = rows[0]!.server_encoding;
  if (encoding !== 'UTF8') throw new MigrationRefused(wrongEncoding(encoding));
}

const CONNECT_TIMEOUT_MS = 10_000;

async function connect(target: DatabaseTarget, who: string): Promise<Client> {
  target.verifyFiles();
  const client = new Client({
    ...target.clientConfig(),
    application_name: 'leasehold-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (cause) {
    // Not awaited: after a failed TLS handshake it would never end.
    client.end().catch(() => undefined);
    // A wrong password, role or database: the server is there.
    const refused = isRefusal(cause) || asksForPassword(cause);
    if (!refused || target.trouble(cause)?.kind === 'tls') throw target.unavailable(cause);
    throw new MigrationRefused(
      `cannot connect as ${who}: ${troubleText(cause)}; run as a superuser, \`leasehold migrate\` sets the passwords of ` +
        'the roles from LEASEHOLD_OWNER_PASSWORD and LEASEHOLD_APP_PASSWORD',
      { cause },
    );
  }
}

/** Creates the roles if this role may, and checks that it may act as the owner. */
async function prepareRoles(client: Client, options: MigrateOptions): Promise<void> {
  const { rows } = await client.query<{ role: string; creator: boolean; missing: string[] }>(
    `select current_user as role, rolsuper or rolcreaterole as creator,
       array(select r from unnest(array['${OWNER_ROLE}', '${APP_ROLE}']) r
               where r not in (select rolname from pg_roles)) as missing
       from pg_roles where rolname = current_user`,
  );
  const { role, creator, missing } = rows[0]!;
  if (creator && role !== OWNER_ROLE) {
    const { owner, app = passwordOf(options.appUrl) } = options.passwords ?? {};
    await ensureRoles(client, { owner, app });
  } else if (missing.length > 0) {
    throw new MigrationRefused(
      `role ${missing.join(' and ')} is missing and ${role} may not create roles: run \`leasehold migrate\` once ` +
        'with LEASEHOLD_OWNER_DATABASE_URL naming a role that may (a superuser, say), or create it yourself (CREATE ROLE … LOGIN)',
    );
  }
  const member = await client.query<{ member: boolean }>(
    `select pg_has_role(current_user, '${OWNER_ROLE}', 'MEMBER') as member`,
  );
  if (!member.rows[0]!.member) {
    throw new MigrationRefused(
      `${role} may not migrate: set LEASEHOLD_OWNER_DATABASE_URL to a URL of ${OWNER_ROLE}, or of a superuser`,
    );
  }
  if (!creator || role === OWNER_ROLE) await prepareAsOwner(client, options);
}

/** The password that the application's URL has for its role. */
function passwordOf(appUrl: string | undefined): string | undefined {
  if (appUrl === undefined) return undefined;
  const { username, password } = new URL(appUrl);
  return username === APP_ROLE && password !== '' ? decodeURIComponent(password) : undefined;
}

/** What remains to be done by a role that may not create roles: these exist. */
async function prepareAsOwner(client: Client, options: MigrateOptions): Promise<void> {
  const { passwords = {}, url, appUrl } = options;
  if (passwords.owner !== undefined) await setPassword(client, OWNER_ROLE, passwords.owner);
  if (passwords.app === undefined && (appUrl === undefined || (await hasSettings(client)))) {
    return ensureSettings(client);
  }
  const app = await connectAsApp(url, appUrl, passwords.app);
  try {
    await ensureSettings(app);
  } finally {
    await app.end();
  }
}

/** Connects as the application's role, which may choose its own settings. */
async function connectAsApp(
  ownUrl: string,
  appUrl: string | undefined,
  password: string | undefined,
): Promise<Client> {
  const url = new URL(appUrl ?? ownUrl);
  url.username = APP_ROLE;
  if (password !== undefined) url.password = encodeURIComponent(password);
  const variable = password === undefined ? 'LEASEHOLD_DATABASE_URL' : 'LEASEHOLD_APP_PASSWORD';
  const target = new DatabaseTarget(
    url.href,
    appUrl === undefined ? OWNER_DATABASE_URL : 'LEASEHOLD_DATABASE_URL',
  );
  return connect(target, `${APP_ROLE} with ${variable}`);
}

async function bringUpToDate(
  client: Client,
  options: MigrateOptions,
): Promise<Omit<MigrateReport, 'withoutPassword'>> {
  await bootstrap(client);
  await claimNamespace(client, options.namespace);
  await refuseOldNumbering(client);
  const functions = await FunctionUpdates.begin(client, options.functions ?? shippedFunctions());
  const { rows } = await client.query<{ version: number; name: string; checksum: string }>(
    'select version, name, checksum from leasehold.migrations order by version',
  );
  const known = new Map(rows.map((row) => [row.version, row]));
  const applied: string[] = [];
  let version = rows.at(-1)?.version ?? 0;
  for (const one of options.migrations ?? shippedMigrations()) {
    const label = labelOf(one);
    const before = known.get(one.version);
    if (before !== undefined) {
      if (before.checksum === one.checksum) continue;
      throw new MigrationRefused(
        `migration ${label} was applied to this database with another text (checksum ${before.checksum.slice(0, 12)}, ` +
          `now ${one.checksum.slice(0, 12)}): an applied migration never changes; restore its file and add a new one`,
      );
    }
    if (one.version < version) {
      throw new MigrationRefused(
        `migration ${label} is older than version ${version}, which this database has: ` +
          'give it a new number',
      );
    }
    await functions.require(one.requires, label);
    await client.query(one.sql);
    await client.query(
      'insert into leasehold.migrations (version, name, checksum) values ($1, $2, $3)',
      [one.version, one.name, one.checksum],
    );
    applied.push(label);
    version = one.version;
  }
  await functions.finish();
  const copied = await adoptTransactionIds(client);
  return {
    applied,
    functions: functions.applied,
    kept: functions.kept,
    version,
    namespace: options.namespace,
    copied,
    reserved: await reservedIds(client),
  };
}
