import type {
  Evidence,
  LateEvidence,
  RecordedReceipt,
  RefusedWrite,
  SeenEffect,
} from '../../../../src/audit/evidence.ts';
import {
  nextCell,
  nextStep,
  policyFor,
  type InstanceView,
  type NextStep,
} from '../../../../src/execution/plan.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import { applyRow, emptyState, nextIdempotencyKey } from '../../../../src/execution/state.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { RUNBOOK as SAMPLE, at } from './sample.ts';

/** The sample's cells, of which every one that runs may be tried three times. */
const RUNBOOK: Runbook = {
  ...SAMPLE,
  cells: SAMPLE.cells.map((cell) => ('exec' in cell ? { ...cell, retry: { attempts: 3 } } : cell)),
};

/** The log of an instance that some replicas advanced until the choices ran out, by every rule. */
export function randomLog(choices: readonly number[]): Evidence {
  return new RandomLog(choices).write();
}

class RandomLog {
  readonly #choices: readonly number[];
  readonly #state = emptyState();
  readonly #view: InstanceView = {
    runbook: RUNBOOK,
    inputs: {},
    recordedAt: at(0),
    state: this.#state,
  };
  readonly #rows: Row[] = [];
  readonly #receipts: RecordedReceipt[] = [];
  readonly #late: LateEvidence[] = [];
  readonly #refusals: RefusedWrite[] = [];
  readonly #seen: SeenEffect[] = [];
  #at = 0;
  #token = 10;
  #request = 1;

  constructor(choices: readonly number[]) {
    this.#choices = choices;
  }

  write(): Evidence {
    while (this.#at < this.#choices.length) {
      if (this.#choose(4) === 0) this.#token += this.#choose(3);
      const step = nextStep(this.#view);
      if (step.do === 'complete' || step.do === 'halt') break;
      this.#go(step);
      if (this.#choose(3) === 0) this.#receipt();
    }
    // An open attempt is closed, so that the last request gets its receipt.
    const step = nextStep(this.#view);
    if (step.do === 'close') this.#close(step, 1);
    this.#receipt();
    return {
      instanceId: 'i',
      instance: { runbookId: 'sample', version: 1, inputs: {}, recordedAt: at(0) },
      runbook: RUNBOOK,
      rows: this.#rows,
      receipts: this.#receipts,
      lateOutcomes: this.#late,
      refusals: this.#refusals,
      witness: this.#seen,
      clientHistory: this.#receipts.map(({ requestId, receipt }) => ({
        requestId,
        receipt,
        acknowledged: true,
      })),
    };
  }

  /** The next choice, as a number below `below`; 0 when there are no more. */
  #choose(below: number): number {
    const choice = this.#choices[this.#at] ?? 0;
    this.#at += 1;
    return choice % below;
  }

  #go(step: NextStep): void {
    switch (step.do) {
      case 'start':
        this.#add('started', step.cell.id, step.attempt, {
          idempotencyKey: nextIdempotencyKey(
            'i',
            step.cell.id,
            this.#state.cells.get(step.cell.id),
          ),
        });
        break;
      case 'close':
        this.#close(step, this.#choose(13));
        break;
      case 'settle':
        this.#settle(step);
        break;
      case 'await':
        this.#add('satisfied', step.cell.id, 1, {
          claimId: step.claimId,
          revision: 1,
          status: 'open',
          agentId: 'bob',
        });
        break;
      case 'satisfy':
        this.#add('satisfied', step.cell.id, 1, step.body);
        break;
      case 'refute':
        this.#add('refuted', step.cell.id, 1, step.body);
        break;
      case 'halt':
      case 'complete':
        break;
      case 'skip':
      case 'wait':
      case 'run':
      case 'unwind':
      case 'cancel':
      case 'cancelled':
        throw new Error('the runbook has no such cells');
    }
  }

  #close({ open }: Extract<NextStep, { do: 'close' }>, how: number): void {
    const { cellId, attempt, fencingToken } = open;
    const later = this.#token;
    if (how === 0) {
      // Its process finds its trust ended before the effect.
      this.#token = fencingToken;
      this.#add('interrupted', cellId, attempt, { reason: 'not_started' });
      this.#token = later;
      return;
    }
    if (how !== 9)
      this.#seen.push({
        instanceId: 'i',
        cellId,
        attempt,
        fencingToken,
        idempotencyKey: open.idempotencyKey,
        at: at(this.#rows.length + 0.5),
      });
    if (how === 1) {
      this.#token = later + 1;
      this.#add('interrupted', cellId, attempt, { reason: 'crash' });
      return;
    }
    this.#token = fencingToken;
    const seq = this.#rows.length + 1;
    if (how === 2) this.#add('failed', cellId, attempt, { error: { message: 'no' } });
    else if (how === 9) this.#add('failed', cellId, attempt, { error: 'no', notBegun: true });
    else if (how === 10) this.#add('failed', cellId, attempt, { error: 'no', happened: true });
    else if (how === 11)
      this.#add('interrupted', cellId, attempt, { reason: 'unverified', happened: true });
    else if (how === 12) this.#add('interrupted', cellId, attempt, { reason: 'unverified' });
    else if (how === 3) this.#add('interrupted', cellId, attempt, { reason: 'aborted' });
    else if (how !== 4) this.#add('completed', cellId, attempt, { output: 7 });
    else {
      // Fenced: its outcome comes late.
      this.#token = later + 1;
      this.#add('interrupted', cellId, attempt, { reason: 'crash' });
      const replicaId = `r${fencingToken}`;
      this.#late.push({
        cellId,
        attempt,
        fencingToken,
        replicaId,
        kind: 'completed',
        body: { output: 7 },
      });
      this.#refusals.push({ seq, fencingToken, replicaId, kind: 'completed' });
    }
    this.#token = Math.max(this.#token, later);
  }

  #settle({ doubt, cell }: Extract<NextStep, { do: 'settle' }>): void {
    const { cellId, attempt, reason } = doubt;
    const late = this.#late.find((one) => one.cellId === cellId && one.attempt === attempt);
    const decide = (by: string, as: string, output?: number): void =>
      this.#add(
        'decided',
        cellId,
        attempt,
        {
          as,
          by,
          reason: 'x',
          ...(output !== undefined && { output }),
          ...(as === 'failed' && doubt.happened && { happened: true }),
        },
        by,
      );
    if (reason === 'not_started') return decide('@policy', 'rerun');
    if (late !== undefined) return decide('@late-outcome', 'succeeded', 7);
    const policy = policyFor(cell, doubt, this.#state.cells.get(cellId));
    if (policy === 'rerun') decide('@policy', 'rerun');
    else if (policy === 'probe' && this.#choose(2) === 0) decide('@probe', 'succeeded', 7);
    else if (policy === 'probe') decide('@probe', 'rerun');
    else decide('carl', (['succeeded', 'failed', 'rerun', 'skipped'] as const)[this.#choose(4)]!);
  }

  #add(kind: RowKind, cellId: string, attempt: number, body: JsonObject, by?: string): void {
    const person = by !== undefined && !by.startsWith('@');
    const row: Row = {
      instanceId: 'i',
      seq: this.#rows.length + 1,
      fencingToken: this.#token,
      replicaId: `r${this.#token}`,
      kind,
      cellId,
      attempt,
      requestId: person ? null : `q${this.#request}`,
      agentId: person ? by : 'ann',
      body,
      recordedAt: at(this.#rows.length + 1),
    };
    this.#rows.push(row);
    applyRow(this.#state, row);
  }

  /**
   * The receipt of the request under way, unless an attempt is open; the next row is another
   * request's.
   */
  #receipt(): void {
    const step = nextStep(this.#view);
    const outcome = OUTCOME_AT[step.do];
    if (outcome === undefined) return;
    const requestId = `q${this.#request}`;
    this.#request += 1;
    const holder = { replicaId: `r${this.#token}`, fencingToken: this.#token };
    const receipt: Receipt = {
      requestId,
      instanceId: 'i',
      outcome,
      steps: [...(this.#state.stepsByRequest.get(requestId) ?? [])],
      nextCellId: nextCell(RUNBOOK, this.#state)?.id ?? null,
      holder,
    };
    if (step.do === 'settle') {
      const { cellId, attempt, reason, since } = step.doubt;
      receipt.inDoubt = { cellId, attempt, reason, since };
    }
    const lastSeq = this.#rows.length;
    this.#receipts.push({
      requestId,
      instanceId: 'i',
      receipt,
      lastSeq,
      fencingToken: this.#token,
    });
  }
}

const OUTCOME_AT: { [step in NextStep['do']]: Receipt['outcome'] | undefined } = {
  start: 'advanced',
  await: 'parked',
  wait: 'parked',
  run: 'parked',
  satisfy: 'advanced',
  refute: 'advanced',
  skip: 'advanced',
  unwind: 'advanced',
  cancel: 'advanced',
  cancelled: 'cancelled',
  close: undefined,
  settle: 'in_doubt',
  halt: 'halted',
  complete: 'completed',
};
