import { Connections, type ConnectionOptions, type Queryable } from './connections.ts';
import { LogUnavailable } from './log.ts';
import { OWNER_ROLE } from './roles.ts';
import { PermanentMismatch } from './schema-check.ts';

/**
 * Which roles may use the log: `app`, one that may only read and insert, or `any`, also one that
 * could change or drop what was recorded.
 */
export type RolePolicy = 'app' | 'any';

/**
 * Refuses a role that is not bound by the log's rules: a superuser may bypass the guard's triggers,
 * and the owner may drop them.
 *
 * @throws PermanentMismatch that says what to do
 * @throws LogUnavailable when Postgres does not answer
 */
export async function checkRole(db: Queryable, policy: RolePolicy): Promise<void> {
  if (policy === 'any') return;
  const [found] = await db.query<{ role: string; superuser: boolean; owner: boolean }>(
    `select rolname as role, rolsuper as superuser,
       coalesce(pg_has_role(oid, to_regrole('${OWNER_ROLE}'), 'MEMBER'), false) as owner
       from pg_roles where rolname = current_user`,
  );
  if (found === undefined) throw new Error('current_user is not among pg_roles');
  const what = found.superuser ? 'a superuser' : found.owner ? `a member of ${OWNER_ROLE}` : '';
  if (what === '') return;
  throw new PermanentMismatch(
    `LEASEHOLD_DATABASE_URL connects as ${found.role}, ${what}, who can change what was recorded: ` +
      'connect as leasehold_app, or set LEASEHOLD_DATABASE_ROLE=any to use this role all the same',
  );
}

/**
 * Checks the role over a connection that does not depend on its settings. A role without the
 * settings of `leasehold_app` gets no connection of the log; waiting does not help if it is one
 * that is refused permanently.
 *
 * @throws PermanentMismatch as {@link checkRole}
 */
export async function checkRoleAlone(
  options: ConnectionOptions,
  policy: RolePolicy,
): Promise<void> {
  const alone = new Connections({ ...options, max: 1, ownSettings: true });
  try {
    await checkRole(alone, policy);
  } catch (cause) {
    if (!(cause instanceof LogUnavailable)) throw cause;
  } finally {
    await alone.close();
  }
}
