import { listed, type ChildPlan } from '../../src/execution/children.ts';
import type { JsonObject } from '../../src/json.ts';
import { inputNames } from '../../src/runbook/head.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';

/** A reason names the problems of at most this many instances. */
const MAX_INSTANCES = 10;

/**
 * The inputs of children as they are stored, or everything that is wrong with them: they are
 * checked as the inputs of a start are.
 */
export function childInputs(
  runbook: Runbook,
  plans: readonly ChildPlan[],
): { ok: true; children: ChildPlan[] } | { ok: false; message: string } {
  const problems: string[] = [];
  for (const { n, inputs } of plans) {
    const own = problemsOf(runbook, inputs);
    if (own.length > 0) problems.push(`${n === null ? '' : `element ${n}: `}${own.join('; ')}`);
  }
  if (problems.length === 0) return { ok: true, children: [...plans] };
  const shown = problems.slice(0, MAX_INSTANCES).join('; ');
  const more = problems.length > MAX_INSTANCES ? ` and ${problems.length - MAX_INSTANCES} more` : '';
  const message = `runbook ${runbook.runbook} version ${runbook.version} does not accept these inputs: ${shown}${more}`;
  return { ok: false, message };
}

function problemsOf({ inputs: declared }: Runbook, inputs: JsonObject): string[] {
  const names = inputNames(declared);
  const missing = names.filter((name) => !Object.hasOwn(inputs, name));
  const unknown = Object.keys(inputs).filter((name) => !names.includes(name));
  return [
    ...(missing.length > 0 ? [`inputs: missing ${listed(missing)}`] : []),
    ...(unknown.length > 0 ? [`inputs: unknown ${listed(unknown)}`] : []),
  ];
}
