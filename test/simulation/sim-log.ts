import { judgeRefused } from '../../advancer/log/outcome.ts';
import {
  LogUnavailable,
  type AppendEntry,
  type AppendOutcome,
  type Claim,
  type Instance,
  type LateOutcome,
  type Log,
  type ProjectionLine,
  type Refusal,
} from '../../advancer/log/log.ts';
import { dueIso } from '../../src/execution/await.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { frozen } from './frozen.ts';
import { highestToken } from './highest-token.ts';
import { SimChildren } from './sim-children.ts';
import { SimDue } from './sim-due.ts';
import { refusalOf, type LogRules, type StoredReceipt } from './sim-guard.ts';
import { SimSchedules } from './sim-schedules.ts';
import { SimRequests } from './sim-requests.ts';
import { unsettledIn, type SimProjection } from './sim-projection.ts';
import type { Network } from './network.ts';
import { refuseUnstorable, unstorable, Unstorable } from './unstorable.ts';
import { EPOCH_MS, type SimProcess, type World } from './world.ts';

/**
 * A Postgres in memory with the guard's rules: the chain rule is the product's own, and so is the
 * judgement of refusals.
 */
export class SimPostgres {
  readonly #world: World;
  readonly rules: LogRules = { chain: true, tokens: true, oneReceipt: true };
  readonly runbooks = new Map<string, Runbook>();
  readonly instances = new Map<string, Instance>();
  readonly rows = new Map<string, Row[]>();
  readonly receipts = new Map<string, StoredReceipt>();
  readonly claims = new Map<string, Claim[]>();
  readonly lateOutcomes: LateOutcome[] = [];
  readonly refusals: Refusal[] = [];
  /** Called with each row as it is committed. */
  onRow: (row: Row, before: Row | undefined) => void = () => undefined;
  /** Called for each entry that is refused for what it holds. */
  onRejected: () => void = () => undefined;
  readonly projection: SimProjection = new Map();
  readonly children = new SimChildren(this);
  readonly due: SimDue;
  readonly schedules = new SimSchedules(this);
  readonly requests = new SimRequests(this);

  constructor(world: World) {
    this.#world = world;
    this.due = new SimDue(world, this);
  }

  /** The database's clock, in ISO 8601. */
  now(): string {
    return new Date(EPOCH_MS + this.#world.nowMs).toISOString();
  }

  rowsOf(instanceId: string): Row[] {
    return this.rows.get(instanceId) ?? [];
  }

  /** From any client. */
  addInstance(instance: Instance): void {
    this.instances.set(instance.instanceId, instance);
    if (instance.unattended === true) this.due.list(instance.instanceId);
  }

  /** From any client. */
  addClaim(claim: Claim): void {
    this.claims.set(claim.claimId, [...(this.claims.get(claim.claimId) ?? []), claim]);
    this.due.noteClaim(claim);
  }

  /** Appends the entry's rows and its receipt, all or nothing, or answers why not. */
  append(entry: AppendEntry): AppendOutcome {
    const log = this.rowsOf(entry.instanceId);
    const rejected = unstorable(entry);
    if (rejected !== undefined) this.onRejected();
    if (rejected !== undefined) return rejected;
    const refusal = refusalOf(this, entry, log);
    if (refusal !== undefined) {
      const first = entry.rows[0]?.seq ?? 1;
      const requestIds = new Set([
        entry.receipt?.requestId,
        ...entry.rows.map((row) => row.requestId),
      ]);
      return judgeRefused(
        entry,
        {
          rows: log.filter(
            (row) => row.seq >= first - 1 && row.seq <= (entry.rows.at(-1)?.seq ?? 0),
          ),
          newest: log.at(-1),
          receipts: [...this.receipts.values()].filter(({ requestId }) =>
            requestIds.has(requestId),
          ),
        },
        refusal,
      );
    }
    const recordedAt = this.now();
    const rows = entry.rows.map((row) => frozen(structuredClone({ ...row, recordedAt })));
    this.rows.set(entry.instanceId, [...log, ...rows]);
    rows.forEach((row, index) => this.onRow(row, rows[index - 1] ?? log.at(-1)));
    if (entry.receipt !== undefined) {
      const { requestId } = entry.receipt;
      const { instanceId, fencingToken } = entry;
      this.receipts.set(requestId, structuredClone({ ...entry.receipt, instanceId, fencingToken }));
    }
    const { instanceId, projection } = entry;
    for (const { kind, body } of rows) {
      if (/^(unwinding|cancelled)$/.test(kind) && body['children'] === true)
        this.due.noteCancel(instanceId);
    }
    if (projection !== undefined) {
      this.#project({ instanceId, lastSeq: this.rowsOf(instanceId).length, projection });
    }
    // A sweep finds an open attempt by its line, so the guard makes sure that the two agree.
    const intent = rows.at(-1);
    if (intent?.kind === 'started' && this.projection.get(instanceId)?.status !== 'running') {
      const running = { status: 'running', nextCellId: intent.cellId } as const;
      this.#project({ instanceId, lastSeq: intent.seq, projection: running });
    }
    return { kind: 'appended', rows };
  }

  /** Like the log, a line never goes back. */
  #project({ instanceId, lastSeq, projection: { status, rest } }: ProjectionLine): void {
    if (rest !== undefined) this.due.put([{ instanceId, lastSeq, rest }]);
    const known = this.projection.get(instanceId);
    if (known !== undefined && known.lastSeq > lastSeq) return;
    this.projection.set(instanceId, { status, lastSeq, updatedAtMs: this.#world.nowMs });
  }

  /** Stored once, as by its primary key: a process that gets no answer sends it again. */
  #addLateOutcome(late: LateOutcome): void {
    const key = ({ instanceId, cellId, attempt, kind, replicaId, fencingToken }: LateOutcome) =>
      [instanceId, cellId, attempt, kind, replicaId, fencingToken].join('/');
    if (!this.lateOutcomes.some((known) => key(known) === key(late)))
      this.lateOutcomes.push(structuredClone(late));
  }

  /** The log as one process sees it. */
  log(process: SimProcess, network: Network): Log {
    const world = this.#world;
    const call = async <T>(
      name: string,
      apply: () => T,
      copy: (value: T) => T = structuredClone,
    ): Promise<T> => {
      try {
        return await network.call(process, 'postgres', { name, timeoutMs: 2_000 }, () =>
          copy(apply()),
        );
      } catch (cause) {
        if (cause instanceof Unstorable) throw cause;
        throw new LogUnavailable('Postgres does not answer', { cause });
      }
    };
    // Rows are frozen: they need no copies, which would cost more than all else.
    const callForRows = <T>(name: string, apply: () => T): Promise<T> =>
      call(name, apply, (value) => value);
    return {
      children: this.children.as(call),
      due: this.due.as(call),
      schedules: this.schedules.as(call),
      requests: this.requests.as(call),
      runbook: (runbookId) => call('runbook', () => this.runbooks.get(runbookId)),
      pushRunbook: () => Promise.reject(new Error('not in the simulation')),
      runbooks: () => Promise.resolve([]),
      instance: (instanceId) => call('instance', () => this.instances.get(instanceId)),
      startInstance: (instance) =>
        call('startInstance', () => {
          const existing = this.instances.get(instance.instanceId);
          const stored = existing ?? { ...instance, recordedAt: this.now() };
          this.addInstance(stored);
          return { instance: stored, created: existing === undefined };
        }),
      snapshot: (instanceId, requestId) =>
        callForRows('snapshot', () => {
          const instance = this.instances.get(instanceId);
          const runbook = instance && this.runbooks.get(instance.runbookId);
          if (instance === undefined || runbook === undefined) return undefined;
          return {
            instance: { ...instance },
            runbook: frozen(runbook),
            rows: [...this.rowsOf(instanceId)],
            readAtMs: EPOCH_MS + world.nowMs,
            receipt: structuredClone(this.receipts.get(requestId ?? '')?.receipt),
          };
        }),
      rowsAfter: (instanceId, afterSeq) =>
        callForRows('rowsAfter', () => this.rowsOf(instanceId).slice(afterSeq)),
      newestRow: (instanceId) => callForRows('newestRow', () => this.rowsOf(instanceId).at(-1)),
      receipt: (requestId) => call('receipt', () => this.receipts.get(requestId)?.receipt),
      append: async (entry) => {
        const sent = structuredClone(entry);
        let broken: Error | undefined;
        try {
          return await network.call(
            process,
            'postgres',
            { name: 'append', timeoutMs: 2_000 },
            () => {
              try {
                return this.append(sent);
              } catch (cause) {
                broken = cause as Error;
                throw cause;
              }
            },
          );
        } catch (cause) {
          // A refusal that nothing explains is a bug of the product, not an unknown answer.
          if (broken !== undefined) throw broken;
          return { kind: 'unknown', cause };
        }
      },
      claim: ({ claimId, status, agentId, evidence }) =>
        call('claim', () => {
          const revisions = this.claims.get(claimId) ?? [];
          const claim: Claim = {
            claimId,
            revision: revisions.length + 1,
            status,
            agentId,
            evidence,
            recordedAt: this.now(),
          };
          this.addClaim(claim);
          return claim;
        }),
      claimStatus: (claimId) => call('claimStatus', () => this.claims.get(claimId)?.at(-1)),
      readWait: (claimId, due) =>
        call('readWait', () => ({
          claim: claimId === undefined ? undefined : this.claims.get(claimId)?.at(-1),
          isDue: EPOCH_MS + world.nowMs >= Date.parse(dueIso(due)),
        })),
      lateOutcomes: (instanceId, cellId, attempt) =>
        call('lateOutcomes', () =>
          this.lateOutcomes.filter(
            (late) =>
              late.instanceId === instanceId && late.cellId === cellId && late.attempt === attempt,
          ),
        ),
      addLateOutcome: (late) =>
        call('addLateOutcome', () => {
          refuseUnstorable(late.body);
          this.#addLateOutcome(late);
        }),
      addRefusal: (refusal) => call('addRefusal', () => void this.refusals.push(refusal)),
      highestToken: () => call('highestToken', () => highestToken([...this.rows.values()].flat())),
      unsettled: (limit, quietMs, after) =>
        call('unsettled', () =>
          unsettledIn(this.projection, world.nowMs - quietMs, after).slice(0, limit),
        ),
      project: (lines) =>
        call('project', () => {
          for (const line of lines) {
            if (this.rowsOf(line.instanceId).length <= line.lastSeq) this.#project(line);
          }
        }),
      list: () => Promise.resolve([]),
      check: () => call('check', () => undefined),
      close: () => Promise.resolve(),
    };
  }
}
