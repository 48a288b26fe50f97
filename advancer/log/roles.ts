import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Client } from 'pg';

import { isRefusal } from './connections.ts';
import { MigrationRefused } from './migration-refused.ts';
import { APP_ROLE, alterRole, hasRoleSettings } from './session-settings.ts';

/** Owns the schemas and migrates them. */
export const OWNER_ROLE = 'leasehold_owner';

/** Passwords to set; a role whose password is not given keeps what it has. */
export interface RolePasswords {
  owner?: string | undefined;
  app?: string | undefined;
}

/**
 * Creates the two roles if they are missing, sets their passwords and the settings of the
 * application's sessions, and lets the owner create schemas in the connection's database.
 *
 * Roles belong to the whole server: other databases' runs may create them at the same moment, which
 * is fine.
 *
 * @param client of a superuser, or of a role that may create roles and owns the database; not in a
 *   transaction
 */
export async function ensureRoles(client: Client, passwords: RolePasswords): Promise<void> {
  await createRole(client, OWNER_ROLE, passwords.owner);
  await createRole(client, APP_ROLE, passwords.app);
  const database = escapeIdentifier(await databaseOf(client));
  await whileOthersDoTheSame(
    client,
    `grant connect, create on database ${database} to ${OWNER_ROLE}`,
  );
  await whileOthersDoTheSame(client, `grant connect on database ${database} to ${APP_ROLE}`);
  // Who is no superuser must be a member of the owner to act as the owner.
  const member = await client.query<{ member: boolean }>(
    `select pg_has_role(current_user, '${OWNER_ROLE}', 'MEMBER') as member`,
  );
  if (!member.rows[0]!.member)
    await whileOthersDoTheSame(client, `grant ${OWNER_ROLE} to current_user`);
  await ensureSettings(client);
}

/**
 * Gives the application's role the settings that its sessions need in this database. Does nothing
 * if it has them.
 *
 * @param client not in a transaction; of a role that may alter the application's, or of that role
 *   itself, which may choose its own defaults
 * @throws MigrationRefused with the statements that somebody else can run
 */
export async function ensureSettings(client: Client): Promise<void> {
  if (await hasSettings(client)) return;
  const statements = alterRole(APP_ROLE, await databaseOf(client));
  try {
    for (const sql of statements) await whileOthersDoTheSame(client, sql);
  } catch (cause) {
    if (!isRefusal(cause) || cause.code !== '42501') throw cause;
    throw new MigrationRefused(
      `${APP_ROLE} lacks settings that the log depends on, and this role may not set them. Run \`leasehold migrate\` with ` +
        'LEASEHOLD_OWNER_DATABASE_URL naming a superuser, or with LEASEHOLD_DATABASE_URL set too (a role may choose its ' +
        `own settings), or run this:\n${statements.map((sql) => `${sql};`).join('\n')}`,
      { cause },
    );
  }
}

/** Whether the application's role has the settings that its sessions need in this database. */
export async function hasSettings(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ config: string[] }>(
    `select setconfig as config from pg_db_role_setting
       where setrole = (select oid from pg_roles where rolname = '${APP_ROLE}')
         and setdatabase = (select oid from pg_database where datname = current_database())`,
  );
  return hasRoleSettings(rows[0]?.config ?? []);
}

/** Sets a role's password. */
export async function setPassword(client: Client, role: string, password: string): Promise<void> {
  await whileOthersDoTheSame(client, `alter role ${role} password ${escapeLiteral(password)}`);
}

/**
 * Which of the two roles have no password, although the server asks somebody for one; none if this
 * role may not know.
 */
export async function rolesWithoutPassword(client: Client): Promise<string[]> {
  const { rows: me } = await client.query<{ superuser: boolean }>(
    'select rolsuper as superuser from pg_roles where rolname = current_user',
  );
  if (!me[0]!.superuser) return [];
  const { rows } = await client.query<{ role: string }>(
    `select rolname as role from pg_authid
       where rolname in ('${OWNER_ROLE}', '${APP_ROLE}') and rolpassword is null
         and exists (select from pg_hba_file_rules
           where auth_method in ('scram-sha-256', 'md5', 'password'))
       order by rolname`,
  );
  return rows.map(({ role }) => role);
}

async function databaseOf(client: Client): Promise<string> {
  const { rows } = await client.query<{ database: string }>(
    'select current_database() as database',
  );
  return rows[0]!.database;
}

async function createRole(
  client: Client,
  role: string,
  password: string | undefined,
): Promise<void> {
  await client.query(
    `do $$ begin
       create role ${role} login;
     exception when duplicate_object or unique_violation then null;
     end $$`,
  );
  if (password !== undefined) await setPassword(client, role, password);
}

/** Shared catalogues take one writer at a time and fail the other; doing it again is right. */
async function whileOthersDoTheSame(client: Client, sql: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query(sql);
      return;
    } catch (error) {
      // The unique index is of `pg_db_role_setting`: another run has inserted the role's line.
      const concurrent =
        error instanceof Error &&
        /concurrently|pg_db_role_setting_databaseid_rol_index/.test(error.message);
      if (!concurrent || attempt === 20) throw error;
    }
  }
}
