import { describe, expect, it } from 'vitest';

import { MAX_CHILDREN } from '../../../../src/runbook/fields.ts';
import { evaluateChecks } from '../../../../src/runbook/evaluate-checks.ts';
import { lostOutput } from '../../../../src/runbook/lost-output.ts';
import { parseRunbookValue } from '../../../../src/runbook/parse.ts';
import { fill } from '../../../../src/runbook/placeholder.ts';

/** What is said of a runbook with this run cell after an exec cell; empty if it is accepted. */
function problems(run: object): string[] {
  const parsed = parseRunbookValue(
    {
      runbook: 'deploy',
      version: 1,
      inputs: ['regions'],
      cells: [
        { id: 'first', exec: { handler: 'x' } },
        { id: 'regions', run: { runbook: 'region', ...run } },
        { id: 'last', exec: { handler: 'x' } },
      ],
    },
    'a runbook',
  );
  return parsed.ok ? [] : parsed.problems.map(({ message }) => message);
}

describe('a run cell', () => {
  it.each([
    [{}],
    [{ version: 2, inputs: { a: '${outputs.first.b}', c: ['${inputs.regions.0}'] } }],
    [{ each: '${inputs.regions}', inputs: { region: '${each}', name: 'r-${each.name}' } }],
    [{ each: [{ a: 1 }, '${outputs.first}'], inputs: { a: '${each.a.0.b}' } }],
    [{ each: [] }],
  ])('is accepted: %j', (run) => {
    expect(problems(run)).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ['each without a list', { inputs: { a: '${each}' } }, /refers to \$\{each\}, but there is no/],
    ['each in the list itself', { each: ['${each}'] }, /refers to \$\{each\}, but there is no/],
    ['a list that is a text', { each: 'eu, us' }, /must be one placeholder/],
    ['a part of a text', { each: 'a ${inputs.regions}' }, /must be one placeholder/],
    ['an input that is not declared', { each: '${inputs.region}' }, /region is not declared/],
    ['an output that comes later', { inputs: { a: '${outputs.last}' } }, /comes later/],
    ['its own output', { inputs: { a: '${outputs.regions}' } }, /this cell itself/],
    ['a field that does not exist', { parallel: 3 }, /is not a field here/],
    ['no version', { version: 0 }, /./],
    [
      'a list that is too long',
      { each: Array.from({ length: MAX_CHILDREN + 1 }, () => 1) },
      /at most 1000/,
    ],
  ])('is rejected for %s', (_, run, message) => {
    expect(problems(run).join('\n')).toMatch(message);
  });

  it('gives each to no other cell', () => {
    const command = ['echo', '${each}'];
    const parsed = parseRunbookValue(
      { runbook: 'a', version: 1, cells: [{ id: 'x', exec: { command } }] },
      'a runbook',
    );
    expect(JSON.stringify(parsed)).toContain('each is for the inputs of a run cell that has each');
  });
});

describe('the outputs of an instance that did not fit', () => {
  const output = {
    instances: [{ outputs: { a: 1 } }, { outputs: lostOutput('too much', 9, '') }],
  };
  const outputs = { regions: output };

  it('fill no placeholder, and say why', () => {
    const scope = { inputs: {}, outputs };
    expect(fill('${outputs.regions.instances.0.outputs.a}', scope)).toEqual({ ok: true, value: 1 });
    expect(fill('${outputs.regions}', scope)).toEqual({ ok: true, value: output });
    expect(fill('${outputs.regions.instances.1.outputs.a}', scope)).toEqual({
      ok: false,
      message:
        '${outputs.regions.instances.1.outputs.a} cannot be filled: ' +
        'the output of regions.instances.1.outputs was lost (too much)',
    });
  });

  it.each([{ exists: false }, { exists: true }, { equals: 1 }])(
    'cannot be checked: %j',
    (demand) => {
      const check = { cell: 'regions', pointer: '/instances/1/outputs/a', ...demand };
      const { held, fault } = evaluateChecks([check], outputs, {});
      expect(held).toBe(false);
      expect(fault).toContain('too much');
      const other = { cell: 'regions', pointer: '/instances/0/outputs/a', equals: 1 };
      expect(evaluateChecks([other], outputs, {}).held).toBe(true);
    },
  );
});
