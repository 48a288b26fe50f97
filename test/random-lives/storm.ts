import type { Random } from '../../tools/chaos/random.ts';

/** Where processes are killed, each at one of these points per process. */
const KILLS = [
  'before_intent',
  'after_intent',
  'in_effect',
  'after_effect',
  'after_outcome',
  'before_decision',
  'after_wait',
  'before_cancel',
  'after_cancel',
  'before_children',
  'after_children',
];
const FREEZES = ['after_intent', 'in_effect', 'after_effect', 'after_wait', 'before_cancel'];

/** The failpoints of a replica: killed at some point, frozen now and then. */
export function lifeFailpoints(random: Random): string {
  const point = random.pick(KILLS);
  // Every instance passes the first ones several times, and the others once or never.
  const often = KILLS.indexOf(point) < 5;
  const kill = `${point}=kill@nth:${often ? random.int(10, 60) : random.int(1, 6)}`;
  const freezes = FREEZES.map((where) => `${where}=freeze@nth:${random.int(5, 80)}`);
  return [kill, ...freezes].join(';');
}
