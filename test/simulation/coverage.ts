import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../../src/request/receipt.ts';
import type { Counted } from '../../advancer/run/context.ts';
import type { Row } from '../../src/execution/row.ts';
import { ADVERSARY_MOVES } from './adversary.ts';
import { PORT_CALLS, STRIKES, type Trap } from './schedule.ts';

/** Messages of the adversary that a replica has to disbelieve, and why. */
const DISBELIEVED = [
  ...(['leaving', 'answered', 'placed', 'settle', 'due', 'ping', 'runs', 'serve'] as const).flatMap(
    (kind) =>
      (['missing', 'unknown_key', 'wrong_mac'] as const).map((reason) => [kind, reason] as const),
  ),
  ...(['leaving', 'answered', 'settle'] as const).map((kind) => [kind, 'replayed'] as const),
  ...(['ping_answer', 'runs_answer'] as const).flatMap((kind) =>
    (['missing', 'unknown_key', 'wrong_mac'] as const).map((reason) => [kind, reason] as const),
  ),
];

/**
 * States of the protocol that a few thousand schedules should reach; an unreached one is a blind
 * spot.
 */
export const EXPECTED: readonly string[] = [
  ...RECORDED_OUTCOMES.map((outcome) => `receipt ${outcome}`),
  ...REFUSED_OUTCOMES.filter(
    (outcome) => !['out_of_order', 'not_found', 'invalid'].includes(outcome),
  ).map((outcome) => `receipt ${outcome}`),
  'started, then completed',
  'started, then failed',
  'started, then failed (notBegun)',
  'started, then failed (happened)',
  'started, then interrupted (unverified)',
  'started, then interrupted (crash)',
  'started, then interrupted (aborted)',
  'started, then interrupted (not_started)',
  'interrupted (crash), then decided rerun by @policy',
  'interrupted (crash), then decided rerun by @probe',
  'interrupted (crash), then decided succeeded by @probe',
  'interrupted (crash), then decided succeeded by @late-outcome',
  'interrupted (crash), then decided rerun by @late-outcome',
  'interrupted (crash), then decided succeeded by a person',
  'interrupted (crash), then decided rerun by a person',
  'interrupted (crash), then decided skipped by a person',
  'interrupted (not_started), then decided rerun by @policy',
  'interrupted (unverified), then decided rerun by a person',
  'interrupted (unverified), then decided failed by a person',
  'failed, then started',
  'failed, then decided rerun by a person',
  'failed, then decided skipped by a person',
  'failed (happened), then decided succeeded by a person',
  'refuted, then decided rerun by a person',
  'refuted, then unwinding by @policy',
  'failed, then unwinding by @policy',
  'completed, then skipped',
  'skipped, then satisfied',
  'satisfied, then skipped',
  'satisfied, then unwinding by a person',
  'unwinding by @policy, then started',
  'unwinding by a person, then started',
  'completed, then cancelled',
  'interrupted (aborted), then cancelled',
  'satisfied, then cancelled',
  'cancel taken',
  'cancel taken, with undo',
  'failed (notBegun), then started',
  'closed by another',
  'opened under a later term than the row before',
  'fenced',
  'late_outcome completed',
  'late_outcome failed',
  'late_outcome not_started',
  'late_outcome unverified',
  'take_over',
  'due done',
  'due busy',
  'due not_mine',
  'due unavailable',
  'due failed',
  'cancelled by its parent',
  'declined',
  'wrong_replica',
  'rejected',
  'unknown_append',
  ...ADVERSARY_MOVES.map((move) => `adversary ${move}`),
  ...DISBELIEVED.map(([kind, reason]) => `disbelieved ${kind}: ${reason}`),
  ...strikes(),
];

/** Every call of every port, cut off before it, after it, and with its answer lost. */
function strikes(): string[] {
  return Object.entries(PORT_CALLS).flatMap(([port, calls]) =>
    calls.flatMap((call) => STRIKES.map((where) => `struck ${where}: ${port} ${call}`)),
  );
}

/** Counts which states of the protocol were reached. */
export class Coverage {
  readonly #reached = new Map<string, number>();

  reach(state: string): void {
    this.#reached.set(state, (this.#reached.get(state) ?? 0) + 1);
  }

  row(row: Row, before: Row | undefined): void {
    if (row.kind === 'cancelled' && row.body['by'] === '@parent')
      this.reach('cancelled by its parent');
    if (before === undefined) return;
    this.reach(`${label(before)}, then ${label(row)}`);
    if (row.kind === 'interrupted' && row.replicaId !== before.replicaId)
      this.reach('closed by another');
    if (row.fencingToken > before.fencingToken)
      this.reach('opened under a later term than the row before');
  }

  counted(event: Counted): void {
    switch (event.what) {
      case 'receipt':
        this.reach(`receipt ${event.outcome}`);
        return;
      case 'late_outcome':
        this.reach(`late_outcome ${event.kind}`);
        return;
      case 'fenced':
      case 'take_over':
      case 'declined':
      case 'wrong_replica':
      case 'unknown_append':
        this.reach(event.what);
        return;
      case 'unauthenticated':
        this.reach(`disbelieved ${event.kind}: ${event.reason}`);
        return;
      case 'due':
        this.reach(`due ${event.outcome}`);
        return;
      case 'malformed':
      case 'over_limit':
      case 'poison':
      case 'refused_reply':
      case 'row':
      case 'tick':
    }
  }

  sprung({ port, call, point, act }: Trap): void {
    const where = point === 'before' ? 'before' : act === 'lose' ? 'answer lost' : 'after';
    this.reach(`struck ${where}: ${port} ${call}`);
  }

  /** Expected states that were not reached. */
  get unreached(): string[] {
    return EXPECTED.filter((state) => !this.#reached.has(state));
  }

  /** How often each state was reached, most often first. */
  get table(): [state: string, times: number][] {
    return [...this.#reached].sort(([, a], [, b]) => b - a);
  }
}

function label(row: Row): string {
  const text = (name: string): string => {
    const value = row.body[name];
    return typeof value === 'string' ? value : '';
  };
  if (row.kind === 'interrupted') return `interrupted (${text('reason')})`;
  if (row.kind === 'failed') {
    const flag = ['notBegun', 'happened'].find((name) => row.body[name] === true);
    return flag === undefined ? 'failed' : `failed (${flag})`;
  }
  const by = text('by').startsWith('@') ? text('by') : 'a person';
  if (row.kind === 'unwinding') return `unwinding by ${by}`;
  return row.kind === 'decided' ? `decided ${text('as')} by ${by}` : row.kind;
}
