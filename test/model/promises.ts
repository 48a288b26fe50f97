import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import type { Walk } from './walk.ts';
import type { AttemptKey, Process } from './world.ts';

/** Whether this process runs the attempt; see `Attempts.runsOrRenounces`. */
export function runsOrRenounces(
  { rules, world, work: { token } }: Pick<Walk, 'rules' | 'world' | 'work'>,
  process: Process,
  key: AttemptKey,
): AttemptStatement {
  const registered = process.works.some(
    (work) =>
      ((rules.registeredBeforeIntent && work.intent === key) ||
        (work.closing === key &&
          (rules.registeredUntilDefinite || work.at === 'intended' || work.at === 'running'))) &&
      (rules.attemptsOf === 'process' || work.token === process.holding?.token),
  );
  const begun = world.effects.some(({ attempt }) => attempt === key);
  const own = process.works.find(({ intent, closing }) => intent === key || closing === key);
  if (registered && (begun || token <= (own?.token ?? 0))) return 'runs';
  if (registered && own !== undefined) own.renounced = key;
  const { holding } = process;
  if (rules.promise && rules.dropsWhenRenounced && holding !== undefined && holding.token < token)
    process.holding = undefined;
  return registered ? 'never_began' : 'does_not_run';
}
