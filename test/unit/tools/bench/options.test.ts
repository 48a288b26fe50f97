import { describe, expect, it } from 'vitest';

import { readAgents, readScenarios, SCENARIOS } from '../../../../tools/bench/options.ts';
import { subjectsOf, forthAndBack } from '../../../../tools/bench/load.ts';

describe('the scenarios', () => {
  it.each([
    ['all', SCENARIOS],
    ['fresh, throughput', ['throughput', 'fresh']],
    ['rows,rows', ['rows']],
  ])('are read from %s', (text, scenarios) => {
    expect(readScenarios(text)).toEqual(scenarios);
  });

  it.each(['', 'row', 'all,rows', 'rows,'])('are rejected in %j', (text) => {
    expect(readScenarios(text)).toBeUndefined();
  });
});

describe('the numbers of agents', () => {
  it('are read in ascending order, without duplicates', () => {
    expect(readAgents('32, 1,8,32')).toEqual([1, 8, 32]);
  });

  it.each(['', '0', '-1', '1.5', '1001', '8;32', '1,'])('are rejected in %j', (text) => {
    expect(readAgents(text)).toBeUndefined();
  });
});

describe('the order of measurements', () => {
  it('has the floor next to every subject, and goes forth and back', () => {
    expect(subjectsOf(['failover'])).toEqual(['floor']);
    const order = forthAndBack(subjectsOf(['throughput']), [1, 8]);
    expect(order.map(({ subject, agents }) => `${subject}/${agents}`)).toEqual([
      'floor/1',
      'held/1',
      'floor/8',
      'held/8',
      'held/8',
      'floor/8',
      'held/1',
      'floor/1',
    ]);
  });
});
