import type { ChildEvidence } from '../../src/audit/evidence.ts';
import { endingOf } from '../../src/execution/children.ts';
import type { PinnedRunbook } from './audit-page.ts';
import type { Queryable } from './connections.ts';
import { outputsOfInstances } from './postgres-children.ts';
import { versionKey, type RunbookCache } from './runbook-cache.ts';
import { auditChildren, type AuditedChildLine } from './sql/audit-children.ts';

/** The outputs of more children than this many bytes in a page are not compared. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** The children of these instances by parent, with how they ended and what they put out. */
export async function readChildEvidence(
  db: Queryable,
  runbooks: RunbookCache<PinnedRunbook>,
  ids: readonly string[],
): Promise<Map<string, ChildEvidence[]>> {
  const children = new Map<string, ChildEvidence[]>();
  const lines = await auditChildren(db, ids);
  if (lines.length === 0) return children;
  const pinned = await runbooks.getAll(lines.map(versionOf));
  const outputs = await outputsOfInstances(
    db,
    lines.map((line) => line.instance_id),
    MAX_OUTPUT_BYTES,
  );
  for (const line of lines) {
    const own = outputs.get(line.instance_id) ?? { outputs: {} };
    const child: ChildEvidence = {
      ...childOf(line, pinned.get(versionKey(versionOf(line)))),
      outputs: 'outputs' in own ? own.outputs : undefined,
    };
    const group = children.get(line.parent_instance_id);
    if (group === undefined) children.set(line.parent_instance_id, [child]);
    else group.push(child);
  }
  return children;
}

function versionOf({ runbook_id: runbookId, version }: AuditedChildLine) {
  return { runbookId, version };
}

function childOf(
  line: AuditedChildLine,
  pinned: PinnedRunbook | undefined,
): Omit<ChildEvidence, 'outputs'> {
  const { kind, cell_id: cellId, as } = line;
  const newest = kind === null || cellId === null ? undefined : { kind, cellId, as };
  const ending = pinned && endingOf(pinned.runbook, newest);
  return {
    instanceId: line.instance_id,
    ...versionOf(line),
    cellId: line.parent_cell_id,
    n: line.parent_n,
    attempt: line.parent_attempt,
    seq: Number(line.parent_seq),
    fencingToken: Number(line.parent_token),
    recordedAt: line.recorded_at,
    ending,
    // One without cells that run has ended as it began.
    endedAt: ending && (line.newest_at ?? line.recorded_at),
  };
}
