/** Named points on the path of a request, in the order in which a request reaches them. */
export const FAILPOINTS = [
  /** A replica that holds its instance begins to serve the request. */
  'on_admission',
  /** The next attempt is chosen; nothing is written yet. */
  'before_intent',
  /** `started` is committed; the effect has not begun. */
  'after_intent',
  /** The effect has begun. */
  'in_effect',
  /** The effect has ended; its outcome is known and not written yet. */
  'after_effect',
  /**
   * The outcome is committed (with the receipt, if it was the request's last row) and not announced
   * yet.
   */
  'after_outcome',
  /** A doubt is about to be settled. */
  'before_decision',
  /** A pause, or an await with a deadline, has been judged; nothing is written yet. */
  'after_wait',
  /** An instance is about to be cancelled: no attempt is open, and nothing is written yet. */
  'before_cancel',
  /** `cancelled` or `unwinding` is committed; the cancel is not answered yet. */
  'after_cancel',
  /** The children of a run cell are about to be started. */
  'before_children',
  /** The children of a run cell are started, and nothing of the cell is written yet. */
  'after_children',
  /** Ticks of a schedule are about to be recorded; the instance is that of the first of them. */
  'before_ticks',
  /** Ticks of a schedule are recorded, and their instances are there. */
  'after_ticks',
] as const;

/** See {@link FAILPOINTS}. */
export type FailpointName = (typeof FAILPOINTS)[number];

/** Where a failpoint was reached; conditions are checked against it. */
export interface FailpointPlace {
  instanceId: string;
  requestId?: string | null | undefined;
  cellId?: string | undefined;
  attempt?: number | undefined;
}

/**
 * Called at each point when failpoints are set, and undefined when they are not, so that an unset
 * failpoint costs one comparison.
 *
 * @throws InjectedError for the action `error`
 */
export type Failpoint = (name: FailpointName, place: FailpointPlace) => Promise<void>;

/** What the action `error` throws. */
export class InjectedError extends Error {
  override readonly name = 'InjectedError';
}

/** What a failpoint does to its process. */
type Action = { do: 'kill' | 'exit' | 'freeze' | 'error' } | { do: 'delay'; ms: number };

interface Rule {
  text: string;
  name: FailpointName;
  action: Action;
  conditions: {
    instance?: string;
    request?: string;
    cell?: string;
    replica?: string;
    nth?: number;
  };
  hits: number;
}

/** The actions that need the process; replaced in tests. */
export interface FailpointActions {
  /** Writes a line to the outside, synchronously: the process may be gone a moment later. */
  report(line: string): void;
  kill(): void;
  freeze(): void;
  exit(): void;
  sleep(ms: number): Promise<void>;
}

/**
 * Parses `LEASEHOLD_FAILPOINTS`: `point=action@condition:value,…`, several joined by `;`. Actions:
 * `kill`, `exit`, `freeze`, `delay:<ms>`, `error`. Conditions: `cell`, `instance`, `request`,
 * `replica` (the configured name), `nth` (only the nth time that the other conditions hold).
 *
 * @throws Error naming the invalid part, and what is allowed there
 */
export function parseFailpoints(
  text: string,
  replicaName: string,
  actions: FailpointActions,
): Failpoint | undefined {
  const rules = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseRule);
  if (rules.length === 0) return undefined;
  return async (name, place) => {
    for (const rule of rules) {
      if (rule.name !== name || !holds(rule, place, replicaName)) continue;
      rule.hits += 1;
      if (rule.conditions.nth !== undefined && rule.hits !== rule.conditions.nth) continue;
      actions.report(
        JSON.stringify({ failpoint: name, action: rule.action.do, replica: replicaName, ...place }),
      );
      await act(rule, actions);
    }
  };
}

async function act(rule: Rule, actions: FailpointActions): Promise<void> {
  switch (rule.action.do) {
    case 'kill':
      actions.kill();
      // The signal is on its way; nothing after this point may run.
      return new Promise(() => undefined);
    case 'exit':
      actions.exit();
      return new Promise(() => undefined);
    case 'freeze':
      actions.freeze();
      return;
    case 'delay':
      await actions.sleep(rule.action.ms);
      return;
    case 'error':
      throw new InjectedError(`failpoint ${rule.text}`);
  }
}

function holds(rule: Rule, place: FailpointPlace, replicaName: string): boolean {
  const { instance, request, cell, replica } = rule.conditions;
  return (
    (instance === undefined || instance === place.instanceId) &&
    (request === undefined || request === place.requestId) &&
    (cell === undefined || cell === place.cellId) &&
    (replica === undefined || replica === replicaName)
  );
}

function parseRule(text: string): Rule {
  const match = /^([a-z_]+)=([a-z]+)(?::(\d+))?(?:@(.+))?$/.exec(text);
  if (match === null) throw bad(text, 'is not point=action@condition:value');
  const [, name = '', action = '', argument, conditionText = ''] = match;
  const known = FAILPOINTS.find((point) => point === name);
  if (known === undefined)
    throw bad(text, `names an unknown point; the points are ${FAILPOINTS.join(', ')}`);
  const conditions: Rule['conditions'] = {};
  for (const condition of conditionText.split(',').filter((part) => part !== '')) {
    const [key = '', value = ''] = condition.split(':', 2);
    if (value === '') throw bad(text, `has a condition without a value: ${condition}`);
    switch (key) {
      case 'cell':
      case 'instance':
      case 'request':
      case 'replica':
        conditions[key] = value;
        break;
      case 'nth':
        if (!/^[1-9]\d{0,6}$/.test(value)) throw bad(text, 'needs nth to be a whole number from 1');
        conditions.nth = Number(value);
        break;
      default:
        throw bad(
          text,
          `has the unknown condition ${key}; the conditions are cell, instance, request, replica, nth`,
        );
    }
  }
  return { text, name: known, action: parseAction(text, action, argument), conditions, hits: 0 };
}

function parseAction(text: string, action: string, argument: string | undefined): Action {
  if (action === 'delay') {
    if (argument === undefined) throw bad(text, 'needs milliseconds: delay:<ms>');
    return { do: 'delay', ms: Number(argument) };
  }
  if (argument !== undefined) throw bad(text, `gives ${action} an argument; only delay takes one`);
  if (action === 'kill' || action === 'exit' || action === 'freeze' || action === 'error')
    return { do: action };
  throw bad(
    text,
    `has the unknown action ${action}; the actions are kill, exit, freeze, delay:<ms>, error`,
  );
}

function bad(text: string, what: string): Error {
  return new Error(`LEASEHOLD_FAILPOINTS: "${text}" ${what}`);
}
