import { chmod, cp, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { isReachable } from '../../src/reachable.ts';
import type { MachineUser } from '../../src/reachable.ts';

/**
 * The account for Postgres when this process runs as root: `postgres`, else `nobody`. It never
 * creates an account. Undefined if this process is not root; the server then runs as its user.
 *
 * @throws Error if this process is root and neither account exists
 */
export async function unprivilegedUser(): Promise<MachineUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const name of ['postgres', 'nobody']) {
    const match = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(accounts);
    if (match !== null) return { uid: Number(match[1]), gid: Number(match[2]) };
  }
  throw new Error(
    'Postgres refuses to run as root, and this system has neither a "postgres" nor a "nobody" ' +
      'account; run as an ordinary user',
  );
}

/**
 * The directory of an installation's programs, copied if the user cannot reach it: root's home,
 * and so a cache in it, is usually closed to other users.
 */
export async function reachableBinDir(
  binDir: string,
  user: MachineUser,
  copyTo: string,
): Promise<string> {
  if (isReachable(join(binDir, 'postgres'), user, 'list')) return binDir;
  await cp(dirname(binDir), copyTo, { recursive: true, verbatimSymlinks: true });
  await chmod(copyTo, 0o755);
  return join(copyTo, 'bin');
}
