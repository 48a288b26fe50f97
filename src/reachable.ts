import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** A user of this machine, without supplementary groups. */
export interface MachineUser {
  readonly uid: number;
  readonly gid: number;
}

/** What a user may do at the end of a path, as bits of a mode. */
const RIGHTS = { enter: 0o1, list: 0o5 } as const;

/**
 * Whether the mode bits let the user enter (or also list) a directory, and pass through every
 * directory above it. False for what cannot be looked at.
 */
export function isReachable(path: string, user: MachineUser, right: keyof typeof RIGHTS): boolean {
  let wanted: number = RIGHTS[right];
  try {
    for (let place = resolve(path); ; place = dirname(place), wanted = RIGHTS.enter) {
      const { uid, gid, mode } = statSync(place);
      const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
      if (((mode >> shift) & wanted) !== wanted) return false;
      if (place === dirname(place)) return true;
    }
  } catch {
    return false;
  }
}
