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
import { chainBreach, type ChainBreach } from '../../src/execution/chain.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import { frozen } from './frozen.ts';
import { highestToken } from './highest-token.ts';
import { SimChildren } from './sim-children.ts';
import { unsettledIn, type SimProjection } from './sim-projection.ts';
import type { Network } from './network.ts';
import { refuseUnstorable, unstorable, Unstorable } from './unstorable.ts';
import { EPOCH_MS, type SimProcess, type World } from './world.ts';

/** Which of the log's rules are in force; a negative control switches one off. */
export interface LogRules {
  /** The order of kinds, cells and attempts. */
  chain: boolean;
  /** Tokens never go back. */
  tokens: boolean;
  /** One receipt for a request, and no rows after it. */
  oneReceipt: boolean;
}

interface StoredReceipt {
  requestId: string;
  instanceId: string;
  receipt: Receipt;
  lastSeq: number;
  fencingToken: number;
}

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

  constructor(world: World) {
    this.#world = world;
  }

  /** The database's clock, in ISO 8601. */
  now(): string {
    return new Date(EPOCH_MS + this.#world.nowMs).toISOString();
  }

  rowsOf(instanceId: string): Row[] {
    return this.rows.get(instanceId) ?? [];
  }

  /** Appends the entry's rows and its receipt, all or nothing, or answers why not. */
  append(entry: AppendEntry): AppendOutcome {
    const log = this.rowsOf(entry.instanceId);
    const rejected = unstorable(entry);
    if (rejected !== undefined) this.onRejected();
    if (rejected !== undefined) return rejected;
    const refusal = this.#refusal(entry, log);
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
  #project({ instanceId, lastSeq, projection: { status } }: ProjectionLine): void {
    const known = this.projection.get(instanceId);
    if (known !== undefined && known.lastSeq > lastSeq) return;
    this.projection.set(instanceId, { status, lastSeq, updatedAtMs: this.#world.nowMs });
  }

  #refusal(entry: AppendEntry, log: readonly Row[]): string | undefined {
    let before: Row | undefined = log.at(-1);
    for (const row of entry.rows) {
      if (row.seq !== (before?.seq ?? 0) + 1) return 'gap or taken';
      const breach = chainBreach(before, row);
      if (breach !== undefined && this.#inForce(breach.rule)) return breach.detail;
      if (row.requestId !== null && this.rules.oneReceipt && this.receipts.has(row.requestId)) {
        return 'the request has its receipt';
      }
      before = { ...row, recordedAt: '' };
    }
    const { receipt } = entry;
    if (receipt === undefined) return undefined;
    if (this.rules.oneReceipt && this.receipts.has(receipt.requestId))
      return 'the request has its receipt';
    if (receipt.lastSeq !== (before?.seq ?? 0)) return 'the log has moved on';
    if (before !== undefined && before.fencingToken > entry.fencingToken && this.rules.tokens)
      return 'stale token';
    return undefined;
  }

  /** Stored once, as by its primary key: a process that gets no answer sends it again. */
  #addLateOutcome(late: LateOutcome): void {
    const key = ({ instanceId, cellId, attempt, kind, replicaId, fencingToken }: LateOutcome) =>
      [instanceId, cellId, attempt, kind, replicaId, fencingToken].join('/');
    if (!this.lateOutcomes.some((known) => key(known) === key(late)))
      this.lateOutcomes.push(structuredClone(late));
  }

  #inForce(rule: ChainBreach['rule']): boolean {
    switch (rule) {
      case 'gap':
        return true;
      case 'stale_token':
        return this.rules.tokens;
      case 'order':
      case 'cancelled':
        return this.rules.chain;
    }
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
      runbook: (runbookId) => call('runbook', () => this.runbooks.get(runbookId)),
      pushRunbook: () => Promise.reject(new Error('not in the simulation')),
      runbooks: () => Promise.resolve([]),
      instance: (instanceId) => call('instance', () => this.instances.get(instanceId)),
      startInstance: (instance) =>
        call('startInstance', () => {
          const existing = this.instances.get(instance.instanceId);
          const stored = existing ?? { ...instance, recordedAt: this.now() };
          this.instances.set(instance.instanceId, stored);
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
          this.claims.set(claimId, [...revisions, claim]);
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
