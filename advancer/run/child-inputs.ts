import { MAX_CHILD_INPUT_BYTES, type ChildPlan } from '../../src/execution/children.ts';
import { completeInputs, inputProblemsText } from '../../src/runbook/inputs.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { reservedCellId } from '../../src/runbook/undo.ts';

/** A reason names the problems of at most this many instances. */
const MAX_INSTANCES = 10;

/**
 * Children with the defaults of their inputs, or everything that is wrong with these: they are
 * checked as the inputs of a start are.
 */
export function withInputs(
  runbook: Runbook,
  plans: readonly ChildPlan[],
): { ok: true; children: ChildPlan[] } | { ok: false; message: string } {
  const name = `runbook ${runbook.runbook} version ${runbook.version}`;
  const reserved = reservedCellId(runbook.cells);
  if (reserved !== undefined) {
    const message =
      `${name} cannot run: the id ${reserved} begins with undo-, which names what undoes a cell; ` +
      'push a version that names the cell otherwise';
    return { ok: false, message };
  }
  const children: ChildPlan[] = [];
  const problems: string[] = [];
  let bytes = 0;
  for (const { n, inputs } of plans) {
    const completed = completeInputs(runbook.inputs, inputs);
    if (completed.ok) {
      children.push({ n, inputs: completed.inputs });
      bytes += Buffer.byteLength(JSON.stringify(completed.inputs));
      if (bytes > MAX_CHILD_INPUT_BYTES) return { ok: false, message: tooLarge(plans.length) };
    } else {
      const text = inputProblemsText(completed.problems);
      problems.push(n === null ? text : `element ${n}: ${text}`);
    }
  }
  if (problems.length === 0) return { ok: true, children };
  const shown = problems.slice(0, MAX_INSTANCES).join('; ');
  const more = problems.length - MAX_INSTANCES;
  const rest = more > 0 ? `; and the inputs of ${more} more elements` : '';
  return { ok: false, message: `${name} does not accept these inputs: ${shown}${rest}` };
}

function tooLarge(count: number): string {
  return (
    `the inputs of its ${count} instances have more than ${MAX_CHILD_INPUT_BYTES} bytes ` +
    'together: give each only what it needs, such as a name or an address, or use several run cells'
  );
}
