import { describe, expect, it } from 'vitest';

import { tally } from '../../../../cli/dev/show-scenes.ts';
import type { Stage } from '../../../../cli/dev/show-stage.ts';

/** A stage with this many effects in its ledger; the keys are those that the scenes caused. */
function stageWith(
  keys: string[],
  effects: string[],
): { stage: Stage; faults: string[]; lines: string[] } {
  const faults: string[] = [];
  const lines: string[] = [];
  const stage = {
    run: '7f',
    keys,
    ledger: { effects: async () => effects.map((key) => ({ key, fencingToken: '5' })) },
    scene: () => undefined,
    table: () => undefined,
    say: (_who: string, text: string) => void lines.push(text),
    check: (holds: boolean, otherwise: string) => void (holds || faults.push(otherwise)),
  };
  return { stage: stage as unknown as Stage, faults, lines };
}

describe('the tally at the end of the show', () => {
  it('finds nothing when every effect was counted once', async () => {
    const { stage, faults, lines } = stageWith(
      ['r-7f-1/a/1', 'r-7f-1/b/1'],
      ['r-7f-1/a/1', 'r-7f-1/b/1'],
    );
    await tally(stage);
    expect(faults).toEqual([]);
    expect(lines).toEqual(['every effect was counted once: 2 of 2']);
  });

  it.each([
    ['was counted twice', ['r-7f-1/a/1', 'r-7f-1/a/1'], 'the ledger counted r-7f-1/a/1 2 times'],
    ['was never counted', [], 'the ledger counted r-7f-1/a/1 0 times'],
    [
      'came under another key',
      ['r-7f-1/a/1', 'r-7f-1/a/2'],
      'the ledger has an effect that nobody asked for: r-7f-1/a/2',
    ],
  ])('finds an effect that %s', async (_what, effects, fault) => {
    const { stage, faults } = stageWith(['r-7f-1/a/1'], effects);
    await tally(stage);
    expect(faults).toEqual([fault]);
  });

  it('leaves out what others did to the same ledger', async () => {
    const { stage, faults } = stageWith(['r-7f-1/a/1'], ['r-7f-1/a/1', 'refund-7/charge/1']);
    await tally(stage);
    expect(faults).toEqual([]);
  });
});
