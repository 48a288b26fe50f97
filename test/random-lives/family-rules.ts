import type { Evidence } from './evidence.ts';
import { RUN_CELL } from './family.ts';
import { acted } from './receiver.ts';
import type { Breach, Rule } from './rules.ts';

/** An instance as the log knows where it comes from. */
export interface Origin {
  instanceId: string;
  parentInstanceId: string;
  cellId: string;
  n: number | null;
}

/** A parent's evidence, and that of everything that the log has as its child. */
export interface FamilyEvidence {
  parent: Evidence;
  children: readonly Evidence[];
  origins: readonly Origin[];
}

/** Each child once, and the parent after all of them. */
export function checkFamily({ parent, children, origins }: FamilyEvidence): Breach[] {
  const breaches: Breach[] = [];
  const { instanceId } = parent.life;
  const breach = (rule: Rule, what: string): void => {
    breaches.push({ rule, instanceId, what });
  };
  const row = parent.rows.find(({ cellId, kind }) => cellId === RUN_CELL && kind === 'satisfied');
  // It may have been cancelled before it had any.
  if (origins.length === 0 && row === undefined && parent.life.cancels.length > 0) return breaches;
  const numbers = origins.map(({ n }) => n ?? -1).toSorted((a, b) => a - b);
  const wanted = children.map((_, n) => n);
  if (String(numbers) !== String(wanted))
    breach('each-child-once', `the log has children [${String(numbers)}]`);
  for (const { life, rows, arrivals } of children) {
    const times = arrivals.filter((one) => one.cellId === 'c0' && acted(one)).length;
    const tries = rows.filter(({ kind }) => kind === 'started').length;
    const completed = rows.some(({ kind }) => kind === 'completed' || kind === 'decided');
    if (times > 1 && tries < 2) breach('each-child-once', `${life.instanceId} ran ${times} times`);
    if (times === 0 && completed && !rows.some(({ kind }) => kind === 'cancelled'))
      breach('each-child-once', `${life.instanceId} is completed, and never ran`);
  }
  if (row === undefined) {
    if (parent.life.cancels.length === 0) breach('parent-last', 'it never got its children back');
    return breaches;
  }
  const lastMs = Math.max(...children.map(({ rows }) => rows.at(-1)?.recordedAtMs ?? Infinity));
  if (row.recordedAtMs < lastMs)
    breach('parent-last', `it goes on ${lastMs - row.recordedAtMs} ms before its last child ends`);
  const output = (row.body['output'] ?? row.body) as {
    instances?: { instanceId: string; status: string }[];
  };
  const listed = (output.instances ?? []).map((one) => `${one.instanceId} ${one.status}`);
  const all = children.map(({ life }) => `${life.instanceId} completed`);
  if (String(listed) !== String(all)) breach('parent-last', `its output lists ${listed.length}`);
  return breaches;
}
