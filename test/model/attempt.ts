import { lineOf, type Ending } from './endings.ts';
import { breachesOfBeginning } from './outcome-guarantees.ts';
import { goOn } from './steps.ts';
import { propose, trusted, type Walk } from './walk.ts';
import { attemptKey, hasRenounced, replicaIdOf, type World } from './world.ts';

/** The last check, and the effect. See `runAttempt`. */
export function begin(walk: Walk): void {
  const { rules, world, process, work } = walk;
  const key = work.closing ?? '';
  const last = work.view.rows.at(-1);
  if (last === undefined) throw new Error('an intent that is not in the view');
  const renounced = rules.promise && hasRenounced(work, key);
  const cancelled = rules.cancelAwaitsClosing && process.holding?.cancel !== undefined;
  if (work.abandoned || renounced || cancelled || (rules.trustBeforeEffect && !trusted(walk))) {
    work.abandoned = false;
    return callOff(walk, last);
  }
  const intent = world.log.rows.find((row) => row.kind === 'started' && attemptKey(row) === key);
  if (intent?.fencingToken !== work.token) {
    world.breaches.push({
      guarantee: '1 no effect without its committed intent',
      what: `${key} is begun under token ${work.token}, its intent ${intent === undefined ? 'is not in the log' : 'is another term’s'}`,
    });
  } else if (world.log.rows.at(-1) !== intent) {
    world.breaches.push({
      guarantee: '3 an effect begins only while its attempt is open',
      what: `${key} is begun after its attempt was closed`,
    });
  }
  const before = world.effects.find(({ attempt }) => attempt === key);
  if (before !== undefined) {
    world.breaches.push({
      guarantee: '3 an attempt is begun at most once',
      what: `${key} is begun ${before.times + 1} times`,
    });
  }
  if (work.answeredUnavailable) {
    world.breaches.push({
      guarantee: '5 unavailable means nothing runs',
      what: `${key} is begun for a request that was answered unavailable and was not sent again`,
    });
  }
  world.breaches.push(...breachesOfBeginning(world, work.view.rows));
  setEffect(world, {
    attempt: key,
    times: (before?.times ?? 0) + 1,
    found: false,
    ended: undefined,
    knownTo: undefined,
  });
  work.at = 'running';
}

/** The check failed after the intent. */
function callOff(walk: Walk, place: { cellId: string; attempt: number }): void {
  const { rules, world, work } = walk;
  switch (rules.afterFailedCheck) {
    case 'not_started':
      propose(walk, 'interrupted', place, { reason: 'not_started' });
      propose(walk, 'decided', place, { as: 'rerun', by: '@policy' });
      return goOn(walk);
    case 'interrupted':
      world.breaches.push({
        guarantee: '4 no false doubt',
        what: `${attemptKey(place)} is put in doubt by a process that knows that it never began`,
      });
      propose(walk, 'interrupted', place, { reason: 'crash' });
      return goOn(walk);
    case 'nothing':
      work.at = 'stranded';
  }
}

/** The effect has ended. See `proposeOutcome`. */
export function ended(walk: Walk, ending: Ending): void {
  const { rules, world, process, work } = walk;
  const place = work.view.rows.at(-1);
  const key = work.closing;
  if (place === undefined || key === undefined)
    throw new Error('an effect that nobody runs has ended');
  if (ending !== 'unknown') {
    const begun = world.effects.find(({ attempt }) => attempt === key);
    const { times, found } = begun ?? { times: 1, found: false };
    const knownTo = replicaIdOf(process);
    setEffect(world, { attempt: key, times, found, ended: ending, knownTo });
  }
  const recorded = rules.takenFor[ending] ?? ending;
  const { row, body } = lineOf(recorded);
  propose(walk, row, place, body);
  if (recorded === 'wrongReplica') propose(walk, 'decided', place, { as: 'rerun', by: '@policy' });
  goOn(walk);
}

function setEffect(world: World, effect: World['effects'][number]): void {
  const others = world.effects.filter(({ attempt }) => attempt !== effect.attempt);
  world.effects = [...others, effect].sort((a, b) => (a.attempt < b.attempt ? -1 : 1));
}
