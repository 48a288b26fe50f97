import { chmod, cp, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';

/** The account for a server that refuses to run as root. */
export interface UnprivilegedUser {
  readonly uid: number;
  readonly gid: number;
}

/**
 * The account for Postgres when this process runs as root: `postgres`, else `nobody`. It never
 * creates an account. Undefined if this process is not root; the server then runs as its user.
 *
 * @throws Error if this process is root and neither account exists
 */
export async function unprivilegedUser(): Promise<UnprivilegedUser | undefined> {
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

/** Whether the user may read and enter the path, and pass through every directory above it. */
export async function isReachable(path: string, user: UnprivilegedUser): Promise<boolean> {
  for (let place = resolve(path), wanted = 0o5; ; place = dirname(place), wanted = 0o1) {
    const found = await stat(place).catch(() => undefined);
    if (found === undefined) return false;
    const shift = found.uid === user.uid ? 6 : found.gid === user.gid ? 3 : 0;
    if (((found.mode >> shift) & wanted) !== wanted) return false;
    if (place === dirname(place)) return true;
  }
}

/**
 * The directory of an installation's programs, copied if the user cannot reach it: root's home,
 * and so a cache in it, is usually closed to other users.
 */
export async function reachableBinDir(
  binDir: string,
  user: UnprivilegedUser,
  copyTo: string,
): Promise<string> {
  if (await isReachable(join(binDir, 'postgres'), user)) return binDir;
  await cp(dirname(binDir), copyTo, { recursive: true, verbatimSymlinks: true });
  await chmod(copyTo, 0o755);
  return join(copyTo, 'bin');
}
