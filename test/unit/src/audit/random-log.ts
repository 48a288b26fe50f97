import type {
  Evidence,
  LateEvidence,
  RecordedReceipt,
  RefusedWrite,
  SeenEffect,
} from '../../../../src/audit/evidence.ts';
import { dueIso } from '../../../../src/execution/await.ts';
import {
  nextCell,
  nextStep,
  placeOfInstance,
  policyFor,
  type InstanceView,
  type NextStep,
} from '../../../../src/execution/plan.ts';
import type { Row, RowKind } from '../../../../src/execution/row.ts';
import { applyRow, emptyState, nextIdempotencyKey } from '../../../../src/execution/state.ts';
import type { JsonObject } from '../../../../src/json.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';
import { leftIn, OUTCOME_AT, RUNBOOK } from './random-runbook.ts';
import { at } from './sample-log.ts';

/** The log of an instance that some replicas advanced until the choices ran out, by every rule. */
export function randomLog(choices: readonly number[]): Evidence {
  return new RandomLog(choices).write();
}

class RandomLog {
  readonly #choices: readonly number[];
  readonly #state = emptyState();
  readonly #view: InstanceView;
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
    const onHalt = this.#choose(2) === 0 ? 'undo' : 'hold';
    const runbook: Runbook = { ...RUNBOOK, onHalt };
    this.#view = { runbook, inputs: {}, recordedAt: at(0), state: this.#state };
  }

  write(): Evidence {
    while (this.#at < this.#choices.length) {
      if (this.#choose(4) === 0) this.#token += this.#choose(3);
      const step = nextStep(this.#view);
      if (step.do === 'complete' || step.do === 'cancelled') break;
      if (step.do === 'halt' && this.#choose(2) === 0) break;
      if (step.do !== 'close' && this.#choose(20) === 0) this.#cancel(step);
      else this.#go(step);
      if (this.#choose(3) === 0) this.#receipt();
    }
    // An open attempt is closed, so that the last request gets its receipt.
    const step = nextStep(this.#view);
    if (step.do === 'close') this.#close(step, 1);
    this.#receipt();
    return {
      instanceId: 'i',
      instance: { runbookId: 'sample', version: 1, inputs: {}, recordedAt: at(0) },
      runbook: this.#view.runbook,
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
      case 'wait':
        this.#wait(step);
        break;
      case 'satisfy':
        this.#add('satisfied', step.cell.id, step.attempt, step.body);
        break;
      case 'refute':
        this.#add('refuted', step.cell.id, step.attempt, step.body);
        break;
      case 'skip':
        this.#add('skipped', step.cell.id, step.attempt, step.body);
        break;
      case 'halt': {
        const as = (['rerun', 'succeeded', 'skipped'] as const)[this.#choose(3)]!;
        const body = { as, by: 'carl', reason: 'x', ...(as === 'succeeded' && { output: 7 }) };
        this.#add('decided', step.cell.id, step.attempt ?? 1, body, 'carl');
        break;
      }
      case 'unwind':
        this.#addToInstance('unwinding', { by: '@policy' }, {});
        break;
      case 'cancel':
        this.#addToInstance('cancelled', this.#state.unwinding!, { left: leftIn(this.#state) });
        break;
      case 'run':
        throw new Error('the sample has no run cell');
      case 'cancelled':
      case 'complete':
        break;
    }
  }

  #wait(step: Extract<NextStep, { do: 'await' | 'wait' }>): void {
    const { cell, attempt } = step;
    if (step.do === 'wait') {
      const until = dueIso(step.until);
      // The clock of the rows goes on by a second each.
      return this.#add('satisfied', cell.id, attempt, { until });
    }
    if (step.deadline !== undefined && this.#choose(2) === 0) {
      const body = { deadline: dueIso(step.deadline), claimId: step.claimId, currentStatus: null };
      return this.#add('skipped', cell.id, attempt, body);
    }
    const made = { claimId: step.claimId, revision: 1, status: 'open', agentId: 'bob' };
    this.#add('satisfied', cell.id, attempt, made);
  }

  /** An agent cancels, and wants what was done undone, or not. */
  #cancel(step: NextStep): void {
    const undo = this.#choose(2) === 0 && step.do !== 'settle';
    const asked = { by: 'carl', asked: true };
    if (undo && this.#state.unwinding === undefined) this.#addToInstance('unwinding', asked, {});
    else this.#addToInstance('cancelled', asked, { left: leftIn(this.#state) });
  }

  #addToInstance(
    kind: 'unwinding' | 'cancelled',
    { by, asked = false }: { by: string; asked?: boolean },
    body: JsonObject,
  ): void {
    const { cellId, attempt } = placeOfInstance(this.#view);
    this.#add(kind, cellId, attempt, { by, reason: 'x', ...body }, asked ? by : undefined);
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
      nextCellId: nextCell(this.#view.runbook, this.#state)?.id ?? null,
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
