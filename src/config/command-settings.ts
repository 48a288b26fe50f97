import type { MachineUser } from '../reachable.ts';
import { SECRET_PREFIX } from './secret-sources.ts';

/** The user that commands run as. */
export interface CommandUser extends MachineUser {
  /** The user's home directory; `/` where none is known. */
  readonly home: string;
}

/** A setting as it was read, or what is wrong with it. */
export type Setting<T> = { ok: true; value: T } | { ok: false; problem: string };

/** What {@link readCommandUser} needs to know of this machine. */
export interface Machine {
  /** This process's effective user id; undefined where there are none. */
  euid: number | undefined;
  readFile: (path: string) => string;
}

/** The largest id; the next one means "no change" to the system. */
const MAX_ID = 2 ** 32 - 2;

const EXAMPLE = 'write user, user:group, or numbers such as 1001:1001';

/**
 * Reads `user`, `user:group`, or numbers in place of either. Names are looked up in `/etc/passwd`
 * and `/etc/group` only: Node.js cannot ask the system's other sources.
 */
export function readCommandUser(text: string, { euid, readFile }: Machine): Setting<CommandUser> {
  const [userText = '', groupText, ...rest] = text.split(':');
  if (userText === '' || groupText === '' || rest.length > 0 || /\s/.test(text))
    return wrong(`is not a user: ${EXAMPLE}`);
  if (euid !== 0)
    return wrong(
      'only works in a replica that runs as root, and this one does not; unset it, or start the replica as root',
    );
  const users = entries('/etc/passwd', readFile);
  const uid = idOf(userText);
  const user = users.find(([name, , id]) =>
    uid === undefined ? name === userText : id === `${uid}`,
  );
  if (uid === undefined && user === undefined)
    return wrong(`names ${userText}, which is not in /etc/passwd; ${EXAMPLE}`);
  const groups = groupText === undefined ? [] : entries('/etc/group', readFile);
  const group = groups.find(([name]) => name === groupText);
  const gidText = groupText === undefined ? user?.[3] : (group?.[2] ?? groupText);
  if (gidText === undefined)
    return wrong(`has no group, because ${userText} is not in /etc/passwd; ${EXAMPLE}`);
  const gid = idOf(gidText);
  if (gid === undefined)
    return wrong(`names the group ${gidText}, which is not in /etc/group; ${EXAMPLE}`);
  const found = { uid: uid ?? idOf(user?.[2] ?? ''), gid, home: user?.[5] || '/' };
  if (found.uid === undefined)
    return wrong(`names ${userText}, whose line in /etc/passwd has no id`);
  if (found.uid === 0 || gid === 0)
    return wrong(
      `is ${found.uid === 0 ? 'root' : 'in the group root'}, which can read what belongs to the replica; name another`,
    );
  return { ok: true, value: { ...found, uid: found.uid } };
}

/** The variables that each attempt gets; the replica's own cannot be passed under these names. */
const OF_THE_ATTEMPT =
  /^LEASEHOLD_(INSTANCE_ID|CELL_ID|ATTEMPT|FENCING_TOKEN|IDEMPOTENCY_KEY|OUTPUT_FILE)$/;

/** Reads names of variables, separated by commas. */
export function readVariableNames(text: string): Setting<string[]> {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    if (name.includes('='))
      return wrong(
        `lists names of variables, not values: write ${name.slice(0, name.indexOf('='))}`,
      );
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      // A value that stands where a name should may be a secret.
      return wrong(
        /^[\w .-]*$/.test(name)
          ? `lists ${JSON.stringify(name)}, which is not the name of a variable`
          : 'lists something that is not the name of a variable; write names, separated by commas',
      );
    if (name.startsWith(SECRET_PREFIX))
      return wrong(
        `lists ${name}, a secret, which commands do not inherit: a cell passes it on with env: {NAME: "\${secrets.${name.slice(SECRET_PREFIX.length)}}"}`,
      );
    if (OF_THE_ATTEMPT.test(name)) return wrong(`lists ${name}, which every attempt sets itself`);
  }
  return { ok: true, value: [...new Set(names)] };
}

/** The lines of a file such as `/etc/passwd`, split into their fields; none if there is no file. */
function entries(path: string, readFile: (path: string) => string): string[][] {
  try {
    return readFile(path)
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return [];
  }
}

function idOf(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

function wrong(problem: string): { ok: false; problem: string } {
  return { ok: false, problem };
}
