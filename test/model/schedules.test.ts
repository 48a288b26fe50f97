import { expect, it } from 'vitest';

import { ScheduleAudit } from '../../src/audit/schedule-audit.ts';
import type { RevisionEvidence, TickEvidence } from '../../src/audit/schedule-checks.ts';
import { planTicks } from '../../src/schedule/plan.ts';
import { tickInstanceId } from '../../src/schedule/tick-id.ts';
import { tickBreach } from '../../src/schedule/tick-rule.ts';

/*
 * Every order in which two replicas take the ticks of a schedule while an agent revises it, and the
 * clock moves on between any two steps. A step is one statement; between reading and writing, any
 * other may come. The plan, the rule of the guard and the checks are the product's own.
 */

const SECOND = 1_000;
const UNTIL_MS = 4 * SECOND;

/** What an actor has read; it writes next. */
interface Read {
  revision: number;
  everyMs: number;
  sinceMs: number;
  newestTickMs: number | undefined;
  nowMs: number;
}

interface State {
  nowMs: number;
  revisions: RevisionEvidence[];
  ticks: TickEvidence[];
  actors: (Read | undefined)[];
  isRevised: boolean;
}

/** Which rules the guard checks. */
interface Rules {
  ticks: boolean;
  revisions: boolean;
  /** Whether the agent's replica takes what is due before it revises. */
  settles: boolean;
}

const REPLICAS = [0, 1];
const REVISER = 2;

function revision(number: number, everyS: number, sinceMs: number): RevisionEvidence {
  const rules = { overlap: 'allow', catchUp: 'all', unattended: true } as const;
  const own = { revision: number, sinceMs, paused: false, deleted: false, agentId: 'ann' };
  return { ...own, ...rules, runbookId: 'r', every: `${everyS}s`, inputs: {} };
}

function read({ revisions, ticks, nowMs }: State): Read {
  const newest = revisions.at(-1)!;
  const everyMs = Number.parseInt(newest.every ?? '', 10) * SECOND;
  const { sinceMs } = newest;
  return { revision: newest.revision, everyMs, sinceMs, newestTickMs: ticks.at(-1)?.tickMs, nowMs };
}

function basisOf({ sinceMs, newestTickMs }: Read): number {
  return Math.max(sinceMs, newestTickMs ?? sinceMs);
}

/** Takes what was due when it was read; all or nothing. Returns whether anything was due. */
function take(state: State, seen: Read, rules: Rules): boolean {
  const { revision: number, everyMs, nowMs } = seen;
  const jitterMs = 0;
  const plan = { scheduleId: 's', timing: { everyMs }, catchUp: 'all', jitterMs } as const;
  const { ticks } = planTicks({ ...plan, afterMs: basisOf(seen), nowMs });
  if (ticks.length === 0) return false;
  const made = ticks.map(({ tickMs }, nth): TickEvidence => {
    const instanceId = tickInstanceId('s', tickMs);
    const origin = { scheduleId: 's', tickMs, runbookId: 'r', version: 1, agentId: 'ann' };
    const afterMs = ticks[nth - 1]?.tickMs ?? basisOf(seen);
    const own = {
      tickMs,
      revision: number,
      outcome: 'started',
      afterMs,
      fromMs: undefined,
    } as const;
    return { ...own, instanceId, instance: origin, recordedMs: UNTIL_MS };
  });
  let now = read(state);
  for (const tick of made) {
    const breach = tickBreach({ ...now, idle: false }, tick, state.nowMs);
    if (rules.ticks && breach !== undefined) return true;
    now = { ...now, newestTickMs: tick.tickMs };
  }
  state.ticks.push(...made);
  return true;
}

function revise(state: State, seen: Read, rules: Rules): void {
  if (rules.settles && take(state, seen, rules)) return;
  const sinceMs = Math.max(seen.nowMs, basisOf(seen));
  const now = read(state);
  const isLate = now.revision !== seen.revision || (now.newestTickMs ?? 0) > sinceMs;
  if (rules.revisions && isLate) return;
  state.revisions.push(revision(state.revisions.length + 1, 2, sinceMs));
  state.isRevised = true;
}

function* next(state: State, rules: Rules): Generator<State> {
  if (state.nowMs < UNTIL_MS) yield { ...state, nowMs: state.nowMs + SECOND };
  for (const actor of [...REPLICAS, REVISER]) {
    if (actor === REVISER && state.isRevised) continue;
    const copy = structuredClone(state);
    const seen = copy.actors[actor];
    if (seen === undefined) copy.actors[actor] = read(copy);
    else {
      copy.actors[actor] = undefined;
      if (actor === REVISER) revise(copy, seen, rules);
      else take(copy, seen, rules);
    }
    yield copy;
  }
}

/** The two replicas are alike: which of them has read what makes no difference. */
function keyOf({ actors, ...state }: State): string {
  const [one, other, reviser] = actors.map((seen) => JSON.stringify(seen ?? null));
  return JSON.stringify([state, one! < other! ? [one, other] : [other, one], reviser]);
}

/** Looks at every state that can be reached; returns how many there are, and the first breaches. */
function search(rules: Rules): { states: number; ends: number; found: string[] } {
  const first: State = {
    nowMs: 0,
    revisions: [revision(1, 1, 0)],
    ticks: [],
    actors: [undefined, undefined, undefined],
    isRevised: false,
  };
  const seen = new Set([keyOf(first)]);
  const queue = [first];
  let ends = 0;
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    // At the end, a replica that is alone takes what is left.
    const isEnd = state.nowMs === UNTIL_MS && state.isRevised;
    if (isEnd) {
      ends += 1;
      state = structuredClone(state);
      take(state, read(state), rules);
    }
    const { revisions, ticks } = state;
    const whole = { scheduleId: 's', revisions, ticks, before: undefined, isLast: true };
    const found = new ScheduleAudit().look({ ...whole, settledMs: isEnd ? UNTIL_MS : undefined });
    if (found.length > 0)
      return {
        states: seen.size,
        ends,
        found: found.map(({ check, what }) => `${check}: ${what}`),
      };
    for (const one of isEnd ? [] : next(state, rules)) {
      const key = keyOf(one);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(one);
    }
  }
  return { states: seen.size, ends, found: [] };
}

const ALL: Rules = { ticks: true, revisions: true, settles: true };

it('two replicas and a revision: every tick is there once, in every order', () => {
  const { states, ends, found } = search(ALL);
  process.stderr.write(`${states} states, ${ends} ends\n`);
  expect(found).toEqual([]);
  expect(states).toBeGreaterThan(1_000);
  expect(ends).toBeGreaterThan(10);
});

it.each([
  ['ticks are admitted in any order', { ticks: false }, /ticks-in-order/],
  ['a revision may begin before a tick that is there', { revisions: false }, /ticks-in-order/],
  ['what is due is left to the next revision', { settles: false }, /no-tick-left-out/],
])('without a rule it is caught: %s', (_name, without, what) => {
  expect(search({ ...ALL, ...without }).found.join('\n')).toMatch(what);
});
