import type { AttemptStatement } from '../../advancer/run/attempts.ts';
import type { Rules } from './rules.ts';
import type { AttemptKey, Process, World } from './world.ts';

/** Who asks whether an attempt runs: a term, or somebody who claims to be one. */
interface Asker {
  readonly rules: Rules;
  readonly world: World;
  readonly token: number;
}

/** Whether this process runs the attempt; see `Attempts.runsOrRenounces`. */
export function runsOrRenounces(
  { rules, world, token }: Asker,
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
  if (rules.listsPromises && !process.promised.includes(key))
    process.promised = [...process.promised, key].sort();
  return registered ? 'never_began' : 'does_not_run';
}
