import { spawnSync } from 'node:child_process';

import type { MachineUser } from '../../src/reachable.ts';

/**
 * Why this process cannot start commands as the user, although it is root: a container may have
 * taken the right from it. Undefined if it can. Tried out with a program that is certainly there.
 */
export function commandUserProblem({ uid, gid }: MachineUser): string | undefined {
  const { error }: { error?: NodeJS.ErrnoException } = spawnSync(process.execPath, ['--version'], {
    uid,
    gid,
    cwd: '/',
    env: {},
    stdio: 'ignore',
  });
  if (error?.code !== 'EPERM') return undefined;
  return (
    `LEASEHOLD_COMMAND_USER names user id ${uid} and group id ${gid}, and this process may not ` +
    'change to them: give it the capabilities CAP_SETUID and CAP_SETGID, or unset the variable'
  );
}
