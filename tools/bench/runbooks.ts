/** A runbook of the bench. */
export interface BenchRunbook {
  readonly runbookId: string;
  readonly cells: number;
  /** As in a runbook file. */
  readonly document: object;
}

/** A runbook whose cells do nothing. */
function emptyCells(runbookId: string, cells: number): BenchRunbook {
  const list = Array.from({ length: cells }, (_, index) => ({
    id: `c${index + 1}`,
    exec: { handler: 'nothing' },
  }));
  return {
    runbookId,
    cells,
    document: { runbook: runbookId, version: 1, inputs: [], cells: list },
  };
}

/** For held instances: long enough that an agent seldom needs another. */
export const HELD = emptyCells('bench-held', 200);
/** For fresh instances: one effect completes the instance. */
export const FRESH = emptyCells('bench-fresh', 1);
/** For measuring how the cost of an advance grows with its instance's rows. */
export const LONG = emptyCells('bench-long', 5_001);
/** One normal cell, then an effect that never ends, to kill the holder in. */
export const HOLD: BenchRunbook = {
  runbookId: 'bench-hold',
  cells: 2,
  document: {
    runbook: 'bench-hold',
    version: 1,
    inputs: [],
    cells: [
      { id: 'first', exec: { handler: 'nothing' } },
      { id: 'endless', exec: { handler: 'endless' }, onInterrupt: 'hold' },
    ],
  },
};

/** All runbooks of the bench. */
export const BENCH_RUNBOOKS: readonly BenchRunbook[] = [HELD, FRESH, LONG, HOLD];
