import { FAILPOINTS, type FailpointName } from '../../advancer/failpoints.ts';
import type { Random } from '../../tools/chaos/random.ts';

/** Where processes are killed, each at one of these points per process. */
const KILLS = FAILPOINTS.filter((point) => point !== 'on_admission');
/** Points that every instance passes several times, and the others once or never. */
const OFTEN: readonly FailpointName[] = [
  'before_intent',
  'after_intent',
  'in_effect',
  'after_effect',
  'after_outcome',
];
/** Points at which something is about to be done that others may do meanwhile. */
const FREEZES: readonly FailpointName[] = [
  'after_intent',
  'in_effect',
  'after_effect',
  'after_wait',
  'before_cancel',
];

/** The failpoints of a replica: killed at some point, frozen now and then. */
export function lifeFailpoints(random: Random): string {
  const point = random.pick(KILLS);
  const kill = `${point}=kill@nth:${OFTEN.includes(point) ? random.int(10, 60) : random.int(1, 6)}`;
  const freezes = FREEZES.map((where) => `${where}=freeze@nth:${random.int(5, 80)}`);
  return [kill, ...freezes].join(';');
}
