import { childId, hashedChildId } from '../../execution/children.ts';
import type { Row } from '../../execution/row.ts';
import { isJsonObject, sameJson, type JsonObject } from '../../json.ts';
import { isLostOutput } from '../../runbook/lost-output.ts';
import { seqsOf } from '../attempts.ts';
import type { Check, Subject } from '../check.ts';
import type { ChildEvidence } from '../evidence.ts';
import { microsOf } from '../micros.ts';

/**
 * Postgres stamps a row before the guard waits for its lock. So a child that was admitted first may
 * carry a time a little after that of the row that waited for it; no statement waits this long.
 */
const LOCK_WAIT_MICROS = 5_000_000;

/** Guarantees 2, 5 and 6: the instances that run cells have started. */
export const CHILDREN: readonly Check[] = [
  {
    name: 'children-started-once',
    guarantee: 5,
    severity: 'breach',
    states:
      'the instances that an attempt of a run cell starts are inserted at once, under one version and under ids from their origin, one for each element',
    of: 'children',
    needs: ['children'],
    look({ evidence: { instanceId, children = [] } }, report) {
      for (const group of byAttempt(children)) {
        const [first] = group;
        if (first === undefined) continue;
        const name = `${first.cellId} attempt ${first.attempt}`;
        const inserts = new Set(group.map((child) => insertOf(child)));
        if (inserts.size > 1) report([], `${name} started instances as ${[...inserts].join('; ')}`);
        const elements = group.map(({ n }) => n);
        if (new Set(elements).size < elements.length)
          report([], `${name} started two instances for one element (${elements.join()})`);
        for (const { instanceId: id, n, cellId, attempt } of group) {
          const place = { parentId: instanceId, cellId, n, attempt };
          if (id === childId(place) || id === hashedChildId(place)) continue;
          report([], `${id} says that ${name} started it, which would name it ${childId(place)}`);
        }
      }
      return children.length;
    },
  },
  {
    name: 'children-fenced-by-parent',
    guarantee: 2,
    severity: 'breach',
    states:
      'the instances of a run cell are inserted while that cell is next, under a token that its log admits, before its next row',
    of: 'children',
    needs: ['runbook', 'children'],
    look(subject, report) {
      const { children = [] } = subject.evidence;
      for (const child of children) {
        const fault = fenceFault(child, subject);
        if (fault !== undefined) report(fault.seqs, `${child.instanceId} ${fault.what}`);
      }
      return children.length;
    },
  },
  {
    name: 'children-ended-before-verdict',
    guarantee: 5,
    severity: 'breach',
    states:
      'a run cell is satisfied once all its instances have completed, with their outputs, and refuted for them once all have ended and one was cancelled',
    of: 'verdicts on children',
    needs: ['children'],
    look({ evidence: { rows, children = [] } }, report) {
      let verdicts = 0;
      for (const row of rows) {
        const named = instancesIn(row);
        if (named === undefined) continue;
        verdicts += 1;
        for (const fault of verdictFaults(row, named, children))
          report([row.seq], `${row.kind} ${row.cellId} attempt ${row.attempt}: ${fault}`);
      }
      return verdicts;
    },
  },
];

function byAttempt(children: readonly ChildEvidence[]): ChildEvidence[][] {
  const groups = new Map<string, ChildEvidence[]>();
  for (const child of children) {
    const key = `${child.cellId}/${child.attempt}`;
    groups.set(key, [...(groups.get(key) ?? []), child]);
  }
  return [...groups.values()];
}

function insertOf({ runbookId, version, seq, fencingToken }: ChildEvidence): string {
  return `${runbookId} version ${version} after seq ${seq} under token ${fencingToken}`;
}

function fenceFault(
  { cellId, attempt, seq, fencingToken, recordedAt }: ChildEvidence,
  { evidence: { rows }, walk }: Subject,
): { seqs: number[]; what: string } | undefined {
  const before = rows.find((row) => row.seq === seq);
  const after = rows.find((row) => row.seq === seq + 1);
  if (seq > 0 && before === undefined)
    return { seqs: [], what: `was inserted after seq ${seq}, which does not exist` };
  const lowest = before?.fencingToken ?? 0;
  const highest = after?.fencingToken ?? Number.MAX_SAFE_INTEGER;
  if (fencingToken < lowest || fencingToken > highest) {
    const what = `was inserted under token ${fencingToken}, between rows under ${lowest} and ${highest}`;
    return { seqs: seqsOf(before, after), what };
  }
  if (after === undefined) {
    const { step } = walk.end ?? {};
    const isNext = step?.do === 'run' && step.cell.id === cellId && step.attempt === attempt;
    if (step === undefined || isNext) return undefined;
    return { seqs: seqsOf(before), what: `was inserted while ${step.do} was due` };
  }
  if (microsOf(recordedAt) > microsOf(after.recordedAt) + LOCK_WAIT_MICROS) {
    const what = `was inserted at ${recordedAt}, after the row that follows; was the database's clock set back?`;
    return { seqs: seqsOf(after), what };
  }
  const step = walk.next.get(after.seq) ?? walk.before.get(after.seq);
  if (
    step === undefined ||
    (step.do === 'run' && step.cell.id === cellId && step.attempt === attempt)
  )
    return undefined;
  return { seqs: seqsOf(after), what: `was inserted while ${step.do} was due` };
}

/** The instances that the verdict on a run cell names; undefined if the row is none. */
function instancesIn({ kind, body: { instances } }: Row): JsonObject[] | undefined {
  if (kind !== 'satisfied' && kind !== 'refuted') return undefined;
  return Array.isArray(instances) ? instances.filter(isJsonObject) : undefined;
}

function verdictFaults(
  row: Row,
  named: readonly JsonObject[],
  children: readonly ChildEvidence[],
): string[] {
  const faults: string[] = [];
  const known = new Map(
    children
      .filter(({ cellId }) => cellId === row.cellId)
      .map((child) => [child.instanceId, child]),
  );
  const elements = new Set(
    children.filter(({ cellId }) => cellId === row.cellId).map(({ n }) => n),
  );
  if (named.length !== elements.size)
    faults.push(`it names ${named.length} instances of ${elements.size}`);
  for (const { instanceId, status, outputs } of named) {
    const child = typeof instanceId === 'string' ? known.get(instanceId) : undefined;
    if (child === undefined) {
      faults.push(`it names ${JSON.stringify(instanceId)}, which it did not start`);
      continue;
    }
    const { ending, endedAt, outputs: own } = child;
    if (ending === undefined || endedAt === undefined || ending !== status)
      faults.push(
        `it says that ${child.instanceId} is ${JSON.stringify(status)}, which is ${ending ?? 'not ended'}`,
      );
    else if (microsOf(endedAt) > microsOf(row.recordedAt))
      faults.push(`${child.instanceId} ended at ${endedAt}, after it`);
    if (row.kind !== 'satisfied' || own === undefined || isLostOutput(outputs)) continue;
    if (!sameJson(outputs ?? null, own))
      faults.push(`it has other outputs of ${child.instanceId} than that instance`);
  }
  const cancelled = named.some(({ status }) => status === 'cancelled');
  if (cancelled !== (row.kind === 'refuted'))
    faults.push(cancelled ? 'an instance was cancelled' : 'no instance was cancelled');
  return faults;
}
