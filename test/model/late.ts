import type { Statement } from './endings.ts';
import type { Rules } from './rules.ts';
import type { AttemptKey, World } from './world.ts';

/** A late outcome: evidence, if it is from the process that opened the attempt. */
export interface Late {
  readonly attempt: AttemptKey;
  readonly states: Statement;
  readonly replicaId: string;
  readonly token: number;
}

/** Adds a late outcome; what is there already is left as it is. */
export function addLate(rules: Pick<Rules, 'lateOfEach'>, world: World, late: Late): void {
  const isThere = world.late.some(
    (one) =>
      one.attempt === late.attempt &&
      one.states === late.states &&
      (!rules.lateOfEach || (one.replicaId === late.replicaId && one.token === late.token)),
  );
  if (!isThere) world.late = [...world.late, late];
}

/** What the late outcomes say of an attempt. */
export function lateAbout(world: World, key: AttemptKey): Late[] {
  return world.late.filter(({ attempt }) => attempt === key);
}
