import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Client } from 'pg';

/** Owns the schemas and migrates them. */
export const OWNER_ROLE = 'leasehold_owner';
/** What replicas connect as: it may read and insert. */
export const APP_ROLE = 'leasehold_app';

/** Passwords to set; a role whose password is not given keeps what it has. */
export interface RolePasswords {
  owner?: string | undefined;
  app?: string | undefined;
}

/**
 * Creates the two roles if they are missing, and lets the owner create schemas in the connection's
 * database.
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
  const { rows } = await client.query<{ database: string }>(
    'select current_database() as database',
  );
  const database = escapeIdentifier(rows[0]!.database);
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
  if (password !== undefined) {
    await whileOthersDoTheSame(client, `alter role ${role} password ${escapeLiteral(password)}`);
  }
}

/** Shared catalogues take one writer at a time and fail the other; doing it again is right. */
async function whileOthersDoTheSame(client: Client, sql: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query(sql);
      return;
    } catch (error) {
      const concurrent = error instanceof Error && error.message.includes('concurrently');
      if (!concurrent || attempt === 20) throw error;
    }
  }
}
