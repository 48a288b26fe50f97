import type { NextStep } from '../../execution/plan.ts';
import { isOfInstance, type Row } from '../../execution/row.ts';
import type { Check } from '../check.ts';

/** Guarantee 3, the order of work, which the guard cannot check: it sees one row back. */
export const ORDER: readonly Check[] = [
  {
    name: 'cells-in-order',
    guarantee: 3,
    severity: 'breach',
    states: 'a cell begins only when it is next: every earlier cell is satisfied, and it is not',
    of: 'beginnings',
    needs: ['runbook'],
    look({ evidence: { rows, runbook }, walk }, report) {
      if (walk.stuck !== undefined) {
        report([walk.stuck.seq], `the rules cannot follow the log: ${walk.stuck.why}`);
      }
      for (const row of rows) {
        const first = runbook?.cells[0]?.id;
        if (row.seq === 1 && isOfInstance(row) && row.cellId !== first)
          report([row.seq], `${row.kind} names ${row.cellId}, and not the first cell ${first}`);
        const step = walk.next.get(row.seq);
        if (step === undefined || fits(row, step)) continue;
        report(
          [row.seq],
          `${row.kind} ${row.cellId} attempt ${row.attempt}, but next was ${describe(step)}`,
        );
      }
      return walk.next.size;
    },
  },
  {
    name: 'retry-only-as-often-as-allowed',
    guarantee: 3,
    severity: 'breach',
    states: 'a cell that failed permanently is not begun again',
    of: 'attempts',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let attempts = 0;
      for (const row of rows) {
        if (row.kind !== 'started') continue;
        attempts += 1;
        const step = walk.next.get(row.seq);
        const halted = step?.do === 'halt' || step?.do === 'unwind' ? step : undefined;
        if (halted?.cell.id === row.cellId) {
          const why = halted.do === 'halt' ? `the cell ${halted.why}` : halted.reason;
          report([row.seq], `${row.cellId} attempt ${row.attempt} was begun although ${why}`);
        }
      }
      return attempts;
    },
  },
  {
    name: 'verdict-follows-from-log',
    guarantee: 3,
    severity: 'breach',
    states:
      'an assert is satisfied if and only if it holds; an await names its claim in a wanted status, and is refuted only by its deadline',
    of: 'verdicts',
    needs: ['runbook'],
    look({ evidence: { rows }, walk }, report) {
      let verdicts = 0;
      for (const row of rows) {
        const step = walk.next.get(row.seq);
        if (row.kind !== 'satisfied' && row.kind !== 'refuted' && row.kind !== 'skipped') continue;
        if (step === undefined || !('cell' in step) || step.cell.id !== row.cellId) continue;
        verdicts += 1;
        const fault = faultOf(row, step);
        if (fault !== undefined) report([row.seq], `${row.kind} ${row.cellId}: ${fault}`);
      }
      return verdicts;
    },
  },
  {
    name: 'each-attempt-once',
    guarantee: 3,
    severity: 'breach',
    states:
      'an attempt is opened once, closed at most once and decided at most once, and once more if it halts its instance',
    of: 'attempts',
    needs: [],
    look({ evidence: { rows }, attempts }, report) {
      const settles = (row: Row): boolean => rows[row.seq - 2]?.kind === 'interrupted';
      for (const { cellId, attempt, started, closings, decisions } of attempts) {
        const decided = decisions.filter(settles);
        const repaired = decisions.filter((row) => !settles(row));
        const lists = { opened: started, closed: closings, decided, repaired };
        for (const [verb, own] of Object.entries(lists)) {
          if (own.length < 2) continue;
          const seqs = own.map(({ seq }) => seq);
          report(seqs, `${cellId} attempt ${attempt} was ${verb} ${own.length} times`);
        }
      }
      return attempts.length;
    },
  },
  {
    name: 'idempotency-key-of-its-run',
    guarantee: 3,
    severity: 'breach',
    states:
      'an intent has the key of its run: the same after an interruption, a new one after a failure',
    of: 'intents',
    needs: [],
    look({ evidence: { rows }, walk }, report) {
      let intents = 0;
      for (const row of rows) {
        const due = walk.keys.get(row.seq);
        const given = row.body['idempotencyKey'];
        if (due === undefined || given === undefined) continue;
        intents += 1;
        if (given !== due) {
          report(
            [row.seq],
            `${row.cellId} attempt ${row.attempt} has key ${JSON.stringify(given)} instead of ${due}`,
          );
        }
      }
      return intents;
    },
  },
];

/**
 * Whether the row has the cell and kind that were due; other checks verify attempts and verdicts.
 */
function fits(row: Row, step: NextStep): boolean {
  switch (step.do) {
    case 'start':
      return row.kind === 'started' && row.cellId === step.cell.id && row.attempt === step.attempt;
    case 'halt':
    case 'unwind':
      return row.kind === 'started' && row.cellId === step.cell.id && 'exec' in step.cell;
    case 'await':
    case 'wait':
    case 'run':
    case 'satisfy':
    case 'refute':
    case 'skip':
      return row.kind !== 'started' && row.cellId === step.cell.id && row.attempt === step.attempt;
    case 'complete':
    case 'cancel':
    case 'cancelled':
    case 'close':
    case 'settle':
      return false;
  }
}

function faultOf(row: Row, step: NextStep): string | undefined {
  switch (step.do) {
    case 'satisfy':
      return row.kind === 'satisfied' ? undefined : 'the assert holds';
    case 'refute': {
      return row.kind === 'refuted'
        ? undefined
        : `the assert does not hold: ${JSON.stringify(step.body)}`;
    }
    case 'skip':
      return row.kind === 'skipped'
        ? undefined
        : `its when does not hold: ${JSON.stringify(step.body)}`;
    case 'wait':
      return row.kind === 'satisfied' ? undefined : 'a pause can only end';
    case 'await': {
      if (row.kind !== 'satisfied') {
        if (step.deadline === undefined) return `a wait without a deadline is never ${row.kind}`;
        const allowed = step.otherwise === 'skip' ? 'skipped' : 'refuted';
        return row.kind === allowed ? undefined : `past its deadline it is ${allowed}`;
      }
      const { claimId, status } = row.body;
      if (claimId !== step.claimId)
        return `saw claim ${JSON.stringify(claimId)}, but waits for ${step.claimId}`;
      if (typeof status === 'string' && step.statuses.includes(status)) return undefined;
      return `saw status ${JSON.stringify(status)}, but wants ${step.statuses.join(' or ')}`;
    }
    default:
      return undefined;
  }
}

function describe(step: NextStep): string {
  switch (step.do) {
    case 'start':
      return `attempt ${step.attempt} of ${step.cell.id}`;
    case 'halt':
      return `nothing: ${step.cell.id} ${step.why}`;
    case 'complete':
      return 'nothing: every cell was done';
    case 'unwind':
      return `nothing: ${step.reason}, so everything was to be undone`;
    case 'cancel':
      return 'nothing: everything was undone';
    case 'cancelled':
      return 'nothing: it was cancelled';
    case 'await':
    case 'wait':
    case 'run':
    case 'satisfy':
    case 'refute':
    case 'skip':
      return step.cell.id;
    case 'close':
    case 'settle':
      return `the end of ${step.cell.id}`;
  }
}
