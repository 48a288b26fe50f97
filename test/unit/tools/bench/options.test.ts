import { describe, expect, it } from 'vitest';

import { readAgents, readScenarios, SCENARIOS } from '../../../../tools/bench/options.ts';
import { subjectsOf, thereAndBack } from '../../../../tools/bench/sweep.ts';

describe('the scenarios', () => {
  it.each([
    ['all', SCENARIOS],
    ['fresh, throughput', ['throughput', 'fresh']],
    ['rows,rows', ['rows']],
  ])('are read from %s', (text, scenarios) => {
    expect(readScenarios(text)).toEqual(scenarios);
  });

  it.each(['', 'row', 'all,rows', 'rows,'])('are refused in %j', (text) => {
    expect(readScenarios(text)).toBeUndefined();
  });
});

describe('the numbers of agents', () => {
  it('are read in ascending order, once each', () => {
    expect(readAgents('32, 1,8,32')).toEqual([1, 8, 32]);
  });

  it.each(['', '0', '-1', '1.5', '1001', '8;32', '1,'])('are refused in %j', (text) => {
    expect(readAgents(text)).toBeUndefined();
  });
});

describe('the order of measuring', () => {
  it('has the floor beside every subject, and goes there and back', () => {
    expect(subjectsOf(['failover'])).toEqual(['floor']);
    const order = thereAndBack(subjectsOf(['throughput']), [1, 8]);
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
