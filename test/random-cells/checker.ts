import type { Ending } from '../../src/execution/outcome.ts';
import { attemptsOf, attribute, type Attempt, type LogRow } from './attribution.ts';
import { endOf, wrongEnd } from './end.ts';
import type { Entry, ProbeEntry } from './ledger.ts';
import { recordOf } from './meaning.ts';
import { moveOf } from './moves.ts';
import { attemptBreaches, type Attributed } from './attempt-rules.ts';
import type { RandomCell } from './random-cell.ts';
import { FOLLOWER } from './runbook-of.ts';

/** Everything that is known of one instance: what was planned, witnessed, recorded and answered. */
export interface Evidence {
  cell: RandomCell;
  /** In the order in which they were noted. */
  effects: readonly Entry[];
  probes: readonly ProbeEntry[];
  /** The instance's log, by seq. */
  rows: readonly LogRow[];
  /** Outcomes that came too late for the log, as evidence. */
  late: readonly LateOutcome[];
  /** What `status` answers at the end; undefined if nothing answered. */
  status: string | undefined;
  /** What the last receipt said was missing. */
  unavailable: string | undefined;
}

/** A row of `late_outcomes`. */
export interface LateOutcome {
  cellId: string;
  attempt: number;
  kind: string;
  body: Record<string, unknown>;
}

/** A rule that does not hold. */
export interface Breach {
  rule: Rule;
  instanceId: string;
  what: string;
}

/** What must hold, in words. */
export const RULES = {
  'one-key-unless-refused':
    'effects of a cell have one key, unless the receiver refused in between',
  'failed-means-not-happened': 'failed without happened: true means that the effect did not happen',
  'refused-means-refused': 'failed without notBegun means that the receiver refused',
  'not-begun-means-nothing': 'notBegun and not_started mean that nothing was acted on',
  'completed-means-happened': 'completed means that the effect happened, or failed as predicted',
  'intent-first': 'every effect has a started row before it, with its key and its token',
  'one-effect-per-attempt': 'an attempt has at most one effect',
  'key-counts-refusals': "the run number in a key is one more than the cell's refusals",
  'recorded-as-the-table-says': 'an attempt is recorded as the table of outcomes says',
  'decided-by-evidence': 'a doubt is settled by what the probe or the late outcome says',
  'waits-as-asked': 'the next attempt waits as long as the receiver asked',
  'ends-right': 'every instance ends, and in the state that follows from its last row',
} as const;

/** The name of a rule. */
export type Rule = keyof typeof RULES;

/** What a check of one instance found. */
export interface Finding {
  breaches: Breach[];
  /** Lines of the table that were seen: the effect ended so, and the log says what follows. */
  endings: Ending[];
  /** What else was seen, such as `late outcome`. */
  seen: string[];
}

/**
 * Compares what the world outside witnessed of one instance with its log. Pure, and without any
 * code of the product.
 */
export function check(evidence: Evidence): Finding {
  const { cell, rows } = evidence;
  const finding: Finding = { breaches: [], endings: [], seen: [] };
  const breach = (rule: Rule, what: string): void => {
    finding.breaches.push({ rule, instanceId: cell.instanceId, what });
  };
  for (const cellId of new Set([cell.cellId, FOLLOWER, ...evidence.effects.map((e) => e.cellId)]))
    checkCell(evidence, cellId, finding, breach);
  const wrong = wrongEnd(evidence);
  if (wrong !== undefined) breach('ends-right', wrong);
  else finding.seen.push(`ended ${endOf(evidence)}`);
  if (evidence.unavailable?.includes('"nobody"') === true && rows.length === 0)
    finding.endings.push('no_handler');
  return finding;
}

function checkCell(
  evidence: Evidence,
  cellId: string,
  finding: Finding,
  breach: (rule: Rule, what: string) => void,
): void {
  const { cell } = evidence;
  const effects = evidence.effects.filter((entry) => entry.cellId === cellId);
  const attempts = attemptsOf(evidence.rows, cellId);
  for (const what of keyBreaches(effects)) breach('one-key-unless-refused', what);
  for (const what of runBreaches(cell.instanceId, cellId, attempts))
    breach('key-counts-refusals', what);
  const { byAttempt, unexplained } = attribute(effects, attempts);
  for (const entry of unexplained)
    breach('intent-first', `no started row explains the effect ${shown(entry)}`);
  for (const [nth, attempt] of attempts.entries()) {
    const [effect, ...more] = byAttempt.get(attempt.attempt) ?? [];
    for (const entry of more)
      breach('one-effect-per-attempt', `attempt ${attempt.attempt} also had ${shown(entry)}`);
    const planned =
      cellId === cell.cellId
        ? cell
        : { expect: 'none' as const, overrides: 'none' as const, output: undefined };
    const move =
      effect === undefined || effect.move === 'cancelled' || effect.move === 'found'
        ? undefined
        : moveOf(effect.move);
    const known = isUnreadable(attempt) && move !== undefined ? { ...move, raw: LOST } : move;
    const wanted =
      known === undefined ? undefined : { line: known.line, row: recordOf(known, planned) };
    const about: Attributed = {
      attempt,
      next: attempts[nth + 1],
      effect,
      wanted,
      // All that is known to have happened under its key, at whatever attempt.
      acted: effects.filter(({ key, knew }) => key === attempt.key && knew === 'acted'),
      refused: effects.some(({ key, knew }) => key === attempt.key && knew === 'refused'),
      cell,
      probes: evidence.probes.filter(
        (probe) => probe.cellId === cellId && probe.key === attempt.key,
      ),
      late: evidence.late.filter(
        (late) => late.cellId === cellId && late.attempt === attempt.attempt,
      ),
    };
    const { breaches, ending, seen } = attemptBreaches(about);
    for (const [rule, what] of breaches) breach(rule, `attempt ${attempt.attempt}: ${what}`);
    if (ending !== undefined) finding.endings.push(ending);
    // Another term may have closed it before its own process, which woke, could say so.
    else if (about.late.some(isStoppedBefore)) finding.endings.push('stopped_before');
    finding.seen.push(...seen);
  }
}

/** A late statement of the attempt's own process: stopped before it began, for no lack. */
function isStoppedBefore({ kind, body }: LateOutcome): boolean {
  return kind === 'not_started' && body['wrongReplica'] !== true;
}

const LOST = 'lost' as const;

/** Whether the replica was out of files for so long that the output could not be read. */
function isUnreadable({ closing }: Attempt): boolean {
  const output = closing?.body['output'] as { outputLost?: { why?: string } } | undefined | null;
  return output?.outputLost?.why?.includes('cannot be read') === true;
}

/** Effects under different keys, unless the receiver refused the earlier one in between. */
function keyBreaches(effects: readonly Entry[]): string[] {
  const breaches: string[] = [];
  let last: Entry | undefined;
  const refused = new Set<string>();
  for (const entry of effects) {
    if (entry.knew === 'refused') refused.add(entry.key);
    if (entry.knew !== 'acted') continue;
    if (last !== undefined && last.key !== entry.key && !refused.has(last.key))
      breaches.push(`${shown(last)} and ${shown(entry)}, and nothing refused in between`);
    if (last?.key !== entry.key) refused.clear();
    last = entry;
  }
  return breaches;
}

/** The keys that the rows have, against the refusals that the rows have. */
function runBreaches(instanceId: string, cellId: string, attempts: readonly Attempt[]): string[] {
  const breaches: string[] = [];
  let run = 1;
  for (const { attempt, key, closing, decisions } of attempts) {
    const wanted = `${instanceId}/${cellId}/${run}`;
    if (key !== wanted) breaches.push(`attempt ${attempt} has the key ${key}, not ${wanted}`);
    const failures = [closing, ...decisions].filter(
      (row) => row?.kind === 'failed' || (row?.kind === 'decided' && row.body['as'] === 'failed'),
    );
    const refusal = failures.some(
      (row) => row?.body['notBegun'] !== true && row?.body['happened'] !== true,
    );
    if (refusal) run += 1;
  }
  return breaches;
}

/** An effect in words. */
function shown({ key, knew, move, attempt, token }: Entry): string {
  const sender = attempt === undefined ? '' : ` of attempt ${attempt}`;
  return `${move}${sender} under ${key} (token ${token ?? '?'}, ${knew})`;
}
