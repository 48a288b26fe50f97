import type { Evidence, RecordedReceipt, SeenEffect } from '../../../../src/audit/evidence.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import type { Step } from '../../../../src/execution/views.ts';
import type { JsonObject } from '../../../../src/json.ts';
import { DERIVED_AGENT, isDerived } from '../../../../src/request/derived.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

/** A moment of the samples' day, in seconds after noon. */
export const at = (second: number): string =>
  new Date(Date.UTC(2030, 0, 1, 12, 0, second)).toISOString();

/** Three terms: A held the instance first, B took over from A, C from B. */
const TERMS = { A: 10, B: 12, C: 14 } as const;
type Holder = keyof typeof TERMS;

/** The log of an instance `i`, written row by row. */
export class SampleLog {
  readonly rows: Row[] = [];

  /** @param cell its id, and the attempt unless that is 1: `pay 2` */
  add(
    second: number,
    by: Holder,
    requestId: string | null,
    kind: RowKind,
    cell: string,
    body: JsonObject = {},
  ): void {
    const [cellId = '', attempt = '1'] = cell.split(' ');
    this.rows.push({
      instanceId: 'i',
      seq: this.rows.length + 1,
      fencingToken: TERMS[by],
      replicaId: `r${by}`,
      kind,
      cellId,
      attempt: Number(attempt),
      requestId,
      agentId: requestId !== null && isDerived(requestId) ? DERIVED_AGENT : 'ann',
      body,
      recordedAt: at(second),
    });
  }

  /** What a witness saw of the attempt that this row began, half a second later. */
  effect(seq: number): SeenEffect {
    const { instanceId, cellId, attempt, fencingToken, recordedAt, body } = this.rows[seq - 1]!;
    const idempotencyKey = body['idempotencyKey'] as string;
    const seen = new Date(Date.parse(recordedAt) + 500).toISOString();
    return { instanceId, cellId, attempt, fencingToken, idempotencyKey, at: seen };
  }

  /** Sound evidence about the instance: nothing but its log, and what else is given. */
  evidence(runbook: Runbook, more: Partial<Evidence>): Evidence {
    return {
      instanceId: 'i',
      instance: { runbookId: runbook.runbook, version: 1, inputs: {}, recordedAt: at(0) },
      runbook: structuredClone(runbook),
      digest: { recorded: 'same', computed: 'same' },
      rows: this.rows,
      receipts: [],
      lateOutcomes: [],
      refusals: [],
      receiptsElsewhere: new Map(),
      children: [],
      parent: null,
      tickOrigin: null,
      claims: () => undefined,
      rest: null,
      witness: [],
      clientHistory: [],
      atRest: 'ended',
      now: at(60),
      ...more,
    };
  }
}

/** The receipt of a request, from the rows that it wrote. */
export function receiptOf(
  rows: readonly Row[],
  requestId: string,
  over: Partial<Receipt> & Pick<Receipt, 'outcome'>,
  lastSeq: number,
): RecordedReceipt {
  const own = rows.filter((row) => row.requestId === requestId);
  const last = rows.find(({ seq }) => seq === lastSeq);
  const steps: Step[] = own.map(({ seq, cellId, kind, attempt }) => ({
    seq,
    cellId,
    kind,
    attempt,
  }));
  const holder =
    last === undefined ? null : { replicaId: last.replicaId, fencingToken: last.fencingToken };
  const receipt: Receipt = { requestId, instanceId: 'i', steps, nextCellId: null, holder, ...over };
  return { requestId, instanceId: 'i', receipt, lastSeq, fencingToken: last?.fencingToken ?? 0 };
}
