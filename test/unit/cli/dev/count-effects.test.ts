import { describe, expect, it } from 'vitest';

import { countEffects } from '../../../../cli/dev/demo-scenarios.ts';
import type { DemoRun } from '../../../../cli/dev/demo-run.ts';

/** A demo whose ledger has these effects; the keys are those that the scenarios caused. */
function demoWith(
  keys: string[],
  effects: string[],
): { demo: DemoRun; problems: string[]; lines: string[] } {
  const problems: string[] = [];
  const lines: string[] = [];
  const demo = {
    suffix: '7f',
    keys,
    ledger: { effects: async () => effects.map((key) => ({ key, fencingToken: '5' })) },
    begin: () => undefined,
    table: () => undefined,
    say: (_actor: string, text: string) => void lines.push(text),
    check: (holds: boolean, problem: string) => void (holds || problems.push(problem)),
  };
  return { demo: demo as unknown as DemoRun, problems, lines };
}

describe('the count at the end of the demo', () => {
  it('finds nothing when every effect was counted once', async () => {
    const { demo, problems, lines } = demoWith(
      ['r-7f-1/a/1', 'r-7f-1/b/1'],
      ['r-7f-1/a/1', 'r-7f-1/b/1'],
    );
    await countEffects(demo);
    expect(problems).toEqual([]);
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
  ])('finds an effect that %s', async (_what, effects, problem) => {
    const { demo, problems } = demoWith(['r-7f-1/a/1'], effects);
    await countEffects(demo);
    expect(problems).toEqual([problem]);
  });

  it('leaves out what others did to the same ledger', async () => {
    const { demo, problems } = demoWith(['r-7f-1/a/1'], ['r-7f-1/a/1', 'refund-7/charge/1']);
    await countEffects(demo);
    expect(problems).toEqual([]);
  });
});
