import { failedAfterEffect } from '../../src/execution/outcome.ts';
import type { Row } from '../../src/execution/row.ts';
import { hasHappened, stated, statementOf, type Statement } from './endings.ts';
import type { Breach } from './guarantees.ts';
import type { Late } from './late.ts';
import { attemptKey, replicaIdOf, type AttemptKey, type World } from './world.ts';

/** Adds what breaks the guarantees on outcomes. */
export function checkOutcomes(world: World, found: Breach[]): void {
  for (const row of world.log.rows) checkRow(world, row, found);
  for (const late of world.late)
    if (isOwnWord(world, late)) checkStatement(world, late.attempt, late.states, found);
  checkKept(world, found);
}

/** Whether the process that opened the attempt says so: others may say what they like. */
function isOwnWord({ log }: World, { attempt, replicaId, token }: Late): boolean {
  const opened = log.rows.find((row) => row.kind === 'started' && attemptKey(row) === attempt);
  return opened?.replicaId === replicaId && opened.fencingToken === token;
}

/**
 * What a row says of an effect is what became of it. A person may be wrong, but nobody decides away
 * that an effect happened.
 */
function checkRow(world: World, row: Row, found: Breach[]): void {
  const says = stated(row);
  if (says !== undefined) return checkStatement(world, attemptKey(row), says, found);
  if (row.kind !== 'decided' || row.body['by'] === 'person') return;
  const { as } = row.body;
  if (as === 'failed')
    return checkStatement(world, attemptKey(row), stated({ ...row, kind: 'failed' }), found);
  const effect = world.effects.find(({ attempt }) => attempt === attemptKey(row));
  if (as === 'succeeded' && (effect === undefined || hasHappened(effect.ended) === false))
    untrue(attemptKey(row), 'to have succeeded', effect, found);
}

function checkStatement(
  { effects }: World,
  key: string,
  says: Statement | undefined,
  found: Breach[],
): void {
  const effect = effects.find(({ attempt }) => attempt === key);
  const is = effect?.ended === undefined ? undefined : statementOf(effect.ended);
  if (says === 'not_started') {
    if (effect !== undefined && is !== 'not_started') {
      const what = `${key} was begun, and is said never to have begun`;
      found.push({ guarantee: '6 not_started is the truth', what });
    }
  } else if (says !== is) {
    untrue(key, `to be ${says}`, effect, found);
  }
}

function untrue(
  key: string,
  says: string,
  effect: World['effects'][number] | undefined,
  found: Breach[],
): void {
  const truth =
    effect === undefined
      ? 'never began'
      : effect.ended === undefined
        ? 'may have happened'
        : `ended otherwise (${effect.ended})`;
  found.push({
    guarantee: '6 a recorded outcome is the truth',
    what: `${key} is said ${says}, and its effect ${truth}`,
  });
}

/**
 * What a living process at rest has learned about its effects is in the log or in the late
 * outcomes.
 */
function checkKept(world: World, found: Breach[]): void {
  for (const { attempt, ended, knownTo } of world.effects) {
    if (ended === undefined || knownTo === undefined) continue;
    const process = world.processes.find((one) => replicaIdOf(one) === knownTo);
    if (process === undefined || process.works.length > 0) continue;
    const knows = statementOf(ended);
    const inLog = world.log.rows.some(
      (row) => attemptKey(row) === attempt && stated(row) === knows,
    );
    const isKept = (one: Late): boolean =>
      one.attempt === attempt && one.states === knows && one.replicaId === knownTo;
    if (inLog || world.late.some(isKept)) continue;
    found.push({
      guarantee: '6 a known outcome is kept',
      what: `${knownTo} knows how ${attempt} ended (${ended}) and has dropped it`,
    });
  }
}

/** What is wrong with beginning the effect of the newest row's attempt. */
export function breachesOfBeginning(world: World, rows: readonly Row[]): Breach[] {
  const intent = rows.at(-1);
  if (intent === undefined) return [];
  const found: Breach[] = [];
  const before = rows
    .slice(0, -1)
    .filter(({ kind, cellId }) => kind === 'started' && cellId === intent.cellId);
  for (const started of before) {
    const name = attemptKey(started);
    const ended = world.effects.find(({ attempt }) => attempt === name);
    if (ended === undefined || hasHappened(ended.ended) === false || mayRepeat(rows, name))
      continue;
    const what = `${attemptKey(intent)} is begun, although ${name} may have happened`;
    found.push({
      guarantee: '3 at most once, unless policy, a probe or a person allows more',
      what,
    });
  }
  const last = before.at(-1);
  if (last !== undefined && !mayChangeKey(world, rows, last, intent)) {
    const what = `${attemptKey(intent)} is begun under a new key, and ${attemptKey(last)} was not refused`;
    found.push({ guarantee: '3 a new key only after a refusal', what });
  }
  return found;
}

/** Whether somebody who may say so has said that the attempt is repeated. */
function mayRepeat(rows: readonly Row[], attempt: AttemptKey): boolean {
  const own = rows.filter((row) => attemptKey(row) === attempt);
  if (own.some(({ body }) => body['reason'] === 'not_started')) return false;
  return own.some(({ kind, body }) => kind === 'decided' && body['by'] !== '@late-outcome');
}

/**
 * A new key is used only after the receiver has refused the attempt before, or a person has decided
 * that it failed: under its key, nothing more can happen.
 */
function mayChangeKey(world: World, rows: readonly Row[], last: Row, intent: Row): boolean {
  if (last.body['idempotencyKey'] === intent.body['idempotencyKey']) return true;
  const name = attemptKey(last);
  if (world.effects.find(({ attempt }) => attempt === name)?.ended === 'refused') return true;
  const own = rows.filter((row) => attemptKey(row) === name);
  const overruled = own.some(
    ({ kind, body }) => kind === 'decided' && body['as'] === 'failed' && body['by'] === 'person',
  );
  return overruled && own.every(({ body }) => body['happened'] !== true);
}

/**
 * Whether the newest row may follow a cell that failed after its effect: a person answers it, or it
 * is undone, or the instance is cancelled.
 */
function mayFollow(rows: readonly Row[], over: Row): boolean {
  return rows.some(
    ({ seq, kind, body }) =>
      seq > over.seq &&
      (kind === 'cancelled' ||
        kind === 'unwinding' ||
        (kind === 'decided' && seq === over.seq + 1 && body['by'] === 'person')),
  );
}

/**
 * Why the newest row may not stand where it does, as far as the log alone shows: nothing runs once
 * an effect has happened and its cell failed; only a person settles what is unverified; and nobody
 * decides away that an effect happened.
 */
export function breachOfOutcomes(rows: readonly Row[]): Breach | undefined {
  const last = rows.at(-1);
  const before = rows.at(-2);
  if (last === undefined || before === undefined) return undefined;
  const name = attemptKey(last);
  const over = rows.slice(0, -1).find(failedAfterEffect);
  if (over !== undefined && !mayFollow(rows, over)) {
    return {
      guarantee: '3 nothing runs after an effect that happened and failed its cell',
      what: `${last.kind} ${name} follows, and ${attemptKey(over)} has happened`,
    };
  }
  if (last.kind !== 'decided' || before.body['reason'] !== 'unverified') return undefined;
  if (last.body['by'] !== 'person') {
    return {
      guarantee: '6 only a person settles an unverified outcome',
      what: `${name} is decided by ${JSON.stringify(last.body['by'])}`,
    };
  }
  if (last.body['as'] !== 'failed' || failedAfterEffect(last)) return undefined;
  return {
    guarantee: '6 a recorded outcome is the truth',
    what: `${name} happened, and is decided to have failed`,
  };
}
