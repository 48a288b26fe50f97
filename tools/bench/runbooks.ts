/** A runbook of so many cells that do nothing. */
export interface BenchRunbook {
  readonly runbookId: string;
  readonly cells: number;
  /** As in a runbook's file. */
  readonly document: object;
}

function steps(runbookId: string, cells: number): BenchRunbook {
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

/** For instances that are held already: long enough that an agent seldom needs another. */
export const HELD = steps('bench-held', 200);
/** For a fresh instance each: an effect, and it is completed. */
export const FRESH = steps('bench-fresh', 1);
/** For how the cost of an advance grows with the rows of its instance. */
export const LONG = steps('bench-long', 5_001);
/** An effect that never ends, to kill its holder in; then cells enough to go on with. */
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

/** Everything that the bench's replicas run. */
export const BENCH_RUNBOOKS: readonly BenchRunbook[] = [HELD, FRESH, LONG, HOLD];
