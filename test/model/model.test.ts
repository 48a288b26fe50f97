import { afterAll, describe, expect, it } from 'vitest';
import { BUS_NECESSARY, BUS_NOTHING_BREAKS, BUS_SECOND_LINES } from './bus-controls.ts';
import type { Control } from './control.ts';
import { ENDLESS, NECESSARY, NOTHING_BREAKS, SECOND_LINES } from './controls.ts';
import { DUE_NECESSARY, DUE_NOTHING_BREAKS } from './due-controls.ts';
import { DUE, LONG_DUE } from './due-scenarios.ts';
import { LIFE_NECESSARY, LIFE_SECOND_LINES } from './life-controls.ts';
import { LIFE, LONG_LIFE } from './life-scenarios.ts';
import { modelOf } from './moves.ts';
import { OUTCOMES_NECESSARY, OUTCOMES_SECOND_LINES } from './outcome-controls.ts';
import { LONG, SHORT } from './scenarios.ts';
import { search, type Found, type SearchOptions } from './search.ts';

const long = process.env['LEASEHOLD_MODEL_DEPTH'] === 'long';
const LIMIT = long ? 6_000_000 : 120_000;

const report: string[] = [];
const taken = new Map<string, number>();
/** How the instances of each world may end. */
const ends = new Map<string, readonly string[]>();

afterAll(() => {
  const steps = [...taken].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${kind} ${count}`);
  process.stdout.write(`\n${report.join('\n')}\n\nsteps taken: ${steps.join(', ')}\n`);
});

function run(control: Omit<Control, 'breaks'>, options: Omit<SearchOptions, 'limit'> = {}): Found {
  const { limit = LIMIT } = control;
  const found = search(modelOf(control.scenario, control.without), { limit, ...options });
  const { states, transitions, depth, complete, seconds } = found;
  const all = complete ? 'all of them' : 'not all of them';
  report.push(
    `${control.name}: ${states} states (${all}), ${transitions} steps, depth ${depth}, ${seconds.toFixed(1)} s`,
  );
  return found;
}

/**
 * Searches until the guarantee that the control names is broken, prints the shortest way there, and
 * says what broke.
 */
function broken(control: Control): string[] {
  const found = run(control, { until: control.breaks, beyond: true });
  const trace = control.breaks === undefined ? undefined : found.breaches.get(control.breaks);
  report.push(
    `   breaks ${trace?.guarantee}: ${trace?.what}`,
    ...(trace?.steps ?? []).map((step) => `      ${step}`),
  );
  return [...found.breaches.keys()];
}

/** Searches to the end, and says what broke. */
function brokenAtAll(control: Control): string[] {
  const found = run(control);
  report.push('   to the end');
  return [...found.breaches.keys(), ...(found.complete ? [] : ['the search came to no end'])];
}

describe('every order of steps keeps every guarantee', () => {
  it.each([...SHORT, ...LIFE, ...DUE, ...(long ? [...LONG, ...LONG_LIFE, ...LONG_DUE] : [])])(
    '$name',
    (world) => {
      const found = run({ name: world.name, without: {}, scenario: world });
      expect([...found.breaches.values()]).toEqual([]);
      expect(found.rests).toBeGreaterThan(0);
      expect(found.complete || long).toBe(true);
      ends.set(world.name, [...found.ends].sort());
      for (const [kind, count] of found.taken) taken.set(kind, (taken.get(kind) ?? 0) + count);
    },
    3_600_000,
  );

  it('and every kind of step was taken', () => {
    expect(KINDS.filter((kind) => !taken.has(kind))).toEqual([]);
    // Larger worlds strike more places.
    const known = (kind: string): boolean => KINDS.includes(kind) || / in an? .*: /.test(kind);
    expect([...taken.keys()].filter((kind) => !known(kind))).toEqual([]);
  });

  it('and each race may be won by either side', () => {
    expect(ends.get('cancelled: a lapse')).toEqual(
      expect.arrayContaining(['cancelled', 'complete']),
    );
  });
});

describe('without a rule, a guarantee breaks', () => {
  it.each([
    ...NECESSARY,
    ...OUTCOMES_NECESSARY,
    ...BUS_NECESSARY,
    ...LIFE_NECESSARY,
    ...DUE_NECESSARY,
  ])('$name: $breaks', (control) => {
    expect(broken(control)).toContain(control.breaks);
  });
});

describe('behind a rule, another stands', () => {
  it.each([...SECOND_LINES, ...OUTCOMES_SECOND_LINES, ...BUS_SECOND_LINES, ...LIFE_SECOND_LINES])(
    '$together.name',
    ({ alone, together }) => {
      expect(brokenAtAll(alone)).toEqual([]);
      expect(broken(together)).toContain(together.breaks);
    },
  );
});

describe('without a rule, nothing breaks in this model', () => {
  it.each([...NOTHING_BREAKS, ...BUS_NOTHING_BREAKS, ...DUE_NOTHING_BREAKS])('$name', (control) => {
    expect(brokenAtAll(control)).toEqual([]);
  });
});

describe('without a rule, there is no end', () => {
  it.each(ENDLESS)('$name: attempts are opened and called off forever', (control) => {
    const bounded = run({ ...control, name: control.scenario.name, without: {} });
    const endless = search(modelOf(control.scenario, control.without), {
      limit: 10 * bounded.states,
    });
    expect(bounded.complete).toBe(true);
    expect([...endless.breaches.keys()]).toEqual([]);
    expect(endless.complete).toBe(false);
    expect(endless.longestLog).toBeGreaterThan(3 * bounded.longestLog);
    report.push(
      `${control.name}: logs of ${endless.longestLog} rows and no end, not ${bounded.longestLog}`,
    );
  });
});

/** Every kind of step that the protocol has in this model, so that an unreached one is seen. */
const KINDS: readonly string[] = [
  'acquire',
  'acquire after an early read',
  'answer held back',
  'answer lost',
  'append',
  'append delayed',
  'append in a wait, its term over',
  'apply a cancellation',
  'begin',
  'claim is made',
  'crash',
  'crash in a wait: judge',
  'crash in a wait: sending refuted',
  'crash in a wait: sending satisfied',
  'crash in an undo: ask',
  'crash in an undo: confirm',
  'crash in an undo: evidence',
  'crash in an undo: intended',
  'crash in an undo: keeping',
  'crash in an undo: read',
  'crash in an undo: ready',
  'crash in an undo: running',
  'crash in an undo: sending a receipt',
  'crash in an undo: sending cancelled',
  'crash in an undo: sending decided',
  'crash in an undo: sending failed',
  'crash in an undo: sending interrupted',
  'crash in an undo: sending started',
  'crash in an undo: sending unwinding',
  'crash in an undo: waiting',
  'deadline passes',
  'drain',
  'effect: aborted',
  'effect: completed',
  'effect: happened',
  'effect: notBegun',
  'effect: outputLost',
  'effect: refused',
  'effect: unknown',
  'effect: unverified',
  'effect: wrongReplica',
  'etcd cannot be asked',
  'evidence rejected',
  'ghost arrives',
  'give up',
  'go on',
  'gone',
  'gone and silent',
  'hearsay',
  'intent abandoned',
  'keep evidence',
  'late answer',
  'leave',
  'look',
  'left to others',
  'look before take-over',
  'new session',
  'note is forgotten',
  'old session expires',
  'peer is silent',
  'peer: does_not_run',
  'peer: never_began',
  'peer: runs',
  'person cancels',
  'person decides',
  'probe: did_not_happen',
  'probe: happened',
  'probe: unknown',
  'read claim and clock',
  'read claim and clock in a wait, its term over',
  'read late outcomes',
  'read the log',
  'record question',
  'rejected',
  'release',
  'replayed question',
  'restart',
  'session expires',
  'still registered',
  'sweep',
  'take over',
  'take up a cancellation',
  'take up a decision',
  'take up a request',
  'verify',
  'wait is over',
  'window closes',
  'window closes in a wait: judge',
  'window closes in a wait: sending satisfied',
  'window closes in a wait: sending skipped',
  'window closes in an undo: intended',
  'window closes in an undo: ready',
  'window closes in an undo: running',
  'window closes in an undo: sending a receipt',
  'window closes in an undo: sending cancelled',
  'window closes in an undo: sending started',
  'window closes in an undo: sending unwinding',
].sort();
