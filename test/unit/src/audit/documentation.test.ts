import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { CHECKS } from '../../../../src/audit/checks.ts';
import { SCHEDULE_CHECKS } from '../../../../src/audit/schedule-checks.ts';

const PAGE = join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'audit.md');

/** They compare the log with what a whole test run saw, which `leasehold audit` is never given. */
const OF_TEST_RUNS = ['acknowledged-is-recorded', 'stuck-instance', 'told-what-is-recorded'];

it('docs/audit.md lists every check that the verb can make, in the words of the check itself', () => {
  const rows = readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const listed = rows.map((cells) => `${(cells[1] ?? '').split('`')[1]}: ${cells.at(-2)}`);
  const checks = [...CHECKS, ...SCHEDULE_CHECKS].filter(({ name }) => !OF_TEST_RUNS.includes(name));
  expect(listed.toSorted()).toEqual(
    checks.map(({ name, states }) => `${name}: ${states}`).toSorted(),
  );
});
