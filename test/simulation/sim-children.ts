import type {
  Children,
  ChildrenStart,
  ChildrenStarted,
  ParentCancel,
} from '../../advancer/log/children.ts';
import { chainBreach } from '../../src/execution/chain.ts';
import { endingOf, outputIn, type Child, type ChildOutputs } from '../../src/execution/children.ts';
import { textOf } from '../../src/execution/cell-record.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import type { SimPostgres } from './sim-log.ts';

/** A child as it is stored. */
type Origin = Omit<Child, 'ending'> & { parentId: string; seq: number; fencingToken: number };

/** What run cells have started in a {@link SimPostgres}, with the guard's rules. */
export class SimChildren {
  readonly #postgres: SimPostgres;
  /** Which of the rules on what is started are in force; a negative control switches one off. */
  readonly rules = {
    /** The parent's log fences it. */
    fenced: true,
    /** It is started once for each element and attempt. */
    once: true,
  };
  /** Every child, by its id. */
  readonly origins = new Map<string, Origin>();

  constructor(postgres: SimPostgres) {
    this.#postgres = postgres;
  }

  /** See {@link Children}; `call` is one statement as a process sends it. */
  as(call: <T>(name: string, apply: () => T) => Promise<T>): Children {
    return {
      of: (parentId, cellId) => call('children', () => this.of(parentId, cellId)),
      start: (start) => call('startChildren', () => this.start(start)),
      outputs: (ids, maxBytes) => call('childOutputs', () => this.#outputs(ids, maxBytes)),
      depth: (instanceId, max) => call('depth', () => this.#depth(instanceId, max)),
      cancelledParent: (id) => call('cancelledParent', () => this.#cancelledParent(id)),
    };
  }

  of(parentId: string, cellId?: string): Child[] {
    return [...this.origins.values()]
      .filter((origin) => origin.parentId === parentId)
      .filter((origin) => cellId === undefined || origin.cellId === cellId)
      .map(({ parentId: _parentId, seq: _seq, fencingToken: _token, ...child }) => ({
        ...child,
        ending: this.endingOf(child.instanceId),
      }));
  }

  start(start: ChildrenStart): ChildrenStarted {
    const { parentId, cellId, attempt, seq, fencingToken, runbookId, version, children } = start;
    const newest = this.#postgres.rowsOf(parentId).at(-1);
    const row = {
      seq: seq + 1,
      fencingToken,
      kind: 'satisfied',
      cellId,
      attempt,
      body: {},
    } as const;
    const moved = newest?.seq ?? 0;
    const breach = chainBreach(newest, row);
    const { fenced, once } = this.rules;
    if (fenced && moved !== seq) return { kind: 'moved', detail: `at seq ${moved}` };
    if (fenced && breach !== undefined) return { kind: 'moved', detail: breach.detail };
    const { instances } = this.#postgres;
    const placed = children.map((child) => ({
      ...child,
      id: instances.has(child.instanceId) ? child.otherId : child.instanceId,
    }));
    const taken = placed.find(({ id }) => instances.has(id));
    if (taken !== undefined) return { kind: 'exists', detail: `${taken.id} exists` };
    const known = this.of(parentId, cellId);
    const again = children.find(({ n }) =>
      known.some((child) => child.n === n && child.attempt === attempt),
    );
    if (once && again !== undefined)
      return { kind: 'exists', detail: `${again.instanceId} exists` };
    const { agentId = '' } = instances.get(parentId) ?? {};
    for (const { id, n, inputs } of placed) {
      const own = { instanceId: id, runbookId, version };
      this.origins.set(id, { ...own, parentId, cellId, n, attempt, seq, fencingToken });
      const parent = { instanceId: parentId, cellId, ...(n === null ? {} : { n }) };
      const recordedAt = this.#postgres.now();
      const child = { ...own, inputs, agentId, recordedAt, parent, unattended: true };
      this.#postgres.addInstance(child);
    }
    return { kind: 'started' };
  }

  endingOf(instanceId: string): Child['ending'] {
    const { instances, runbooks } = this.#postgres;
    const runbook = runbooks.get(instances.get(instanceId)?.runbookId ?? '');
    if (runbook === undefined) throw new Error(`no runbook of ${instanceId}`);
    const last = this.#postgres.rowsOf(instanceId).at(-1);
    const as = typeof last?.body['as'] === 'string' ? last.body['as'] : null;
    return endingOf(runbook, last && { kind: last.kind, cellId: last.cellId, as });
  }

  #outputs(instanceIds: readonly string[], maxBytes: number): Map<string, ChildOutputs> {
    const sized = instanceIds
      .map((instanceId) => {
        const rows = this.#postgres.rowsOf(instanceId).filter((row) => outputIn(row) !== undefined);
        const bytes = rows.reduce((sum, { body }) => sum + JSON.stringify(body).length, 0);
        return { instanceId, bytes, rows };
      })
      .sort((a, b) => a.bytes - b.bytes || (a.instanceId < b.instanceId ? -1 : 1));
    let total = 0;
    return new Map(
      sized.map(({ instanceId, bytes, rows }) => {
        total += bytes;
        return [instanceId, total <= maxBytes ? { outputs: outputsOf(rows) } : { bytes }];
      }),
    );
  }

  #depth(instanceId: string, max: number): number {
    let depth = 0;
    let at = this.origins.get(instanceId);
    while (at !== undefined && depth < max) {
      depth += 1;
      at = this.origins.get(at.parentId);
    }
    return depth;
  }

  #cancelledParent(instanceId: string): ParentCancel | undefined {
    const parentId = this.origins.get(instanceId)?.parentId;
    if (parentId === undefined) return undefined;
    const said = this.#postgres
      .rowsOf(parentId)
      .findLast(
        ({ kind, body }) =>
          (kind === 'cancelled' || kind === 'unwinding') && body['children'] === true,
      );
    return said && { parentId, reason: textOf(said.body['reason']) };
  }
}

function outputsOf(rows: readonly Row[]): JsonObject {
  const outputs: { [cellId: string]: Json } = {};
  for (const row of rows) outputs[row.cellId] = outputIn(row) ?? null;
  return outputs;
}
