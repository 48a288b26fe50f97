import { endingOf, outputIn, type Child, type ChildOutputs } from '../../src/execution/children.ts';
import { storableJson, type JsonObject } from '../../src/json.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { Children, ChildrenStart, ChildrenStarted, ParentCancel } from './children.ts';
import { isRefusal, type Queryable } from './connections.ts';
import { versionKey, type RunbookCache } from './runbook-cache.ts';
import {
  insertChildren,
  readCancelledParent,
  readChildren,
  readDepth,
  readOutputRows,
} from './sql/children.ts';

/** What the guard raises once the parent's log has moved on, as guard_origins.sql has it. */
const MOVED = new Set(['LH002', 'LH006', 'LH007']);
const UNIQUE_VIOLATION = '23505';

/** The children of instances, in Postgres. */
export class PostgresChildren implements Children {
  readonly #db: Queryable;
  readonly #runbooks: RunbookCache<Runbook>;

  constructor(db: Queryable, runbooks: RunbookCache<Runbook>) {
    this.#db = db;
    this.#runbooks = runbooks;
  }

  async of(parentId: string, cellId?: string): Promise<Child[]> {
    const lines = await readChildren(this.#db, parentId, cellId);
    const runbooks = await this.#runbooks.getAll(lines);
    return lines.map(({ kind, newestCellId, as, ...line }) => {
      const runbook = runbooks.get(versionKey(line));
      if (runbook === undefined) {
        throw new Error(
          `instance ${line.instanceId} runs ${line.runbookId} version ${line.version}, which is ` +
            'not in the log: push that version (leasehold runbook push)',
        );
      }
      const newest = kind === null ? undefined : { kind, cellId: newestCellId, as };
      return { ...line, ending: endingOf(runbook, newest) };
    });
  }

  async start(start: ChildrenStart): Promise<ChildrenStarted> {
    const children = start.children.map((child) => ({
      ...child,
      inputs: storableJson(child.inputs),
    }));
    try {
      await insertChildren(this.#db, { ...start, children });
      return { kind: 'started' };
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      const { code, message, detail } = cause;
      if (MOVED.has(code)) return { kind: 'moved', detail: message };
      if (code === UNIQUE_VIOLATION) return { kind: 'exists', detail: detail ?? message };
      throw cause;
    }
  }

  outputs(instanceIds: readonly string[], maxBytes: number): Promise<Map<string, ChildOutputs>> {
    return outputsOfInstances(this.#db, instanceIds, maxBytes);
  }

  depth(instanceId: string, max: number): Promise<number> {
    return readDepth(this.#db, instanceId, max);
  }

  cancelledParent(instanceId: string): Promise<ParentCancel | undefined> {
    return readCancelledParent(this.#db, instanceId);
  }
}

/** See {@link Children.outputs}. */
export async function outputsOfInstances(
  db: Queryable,
  instanceIds: readonly string[],
  maxBytes: number,
): Promise<Map<string, ChildOutputs>> {
  const lines = await readOutputRows(db, instanceIds, maxBytes);
  return new Map(
    lines.map(({ instanceId, bytes, rows }): [string, ChildOutputs] => {
      if (rows === null) return [instanceId, { bytes }];
      const outputs: JsonObject = {};
      for (const { kind, cellId, body } of rows) {
        const output = outputIn({ kind, body });
        if (output !== undefined) outputs[cellId] = output;
      }
      return [instanceId, { outputs }];
    }),
  );
}
