import { expect, it } from 'vitest';

import { noRunbook } from '../../../../src/runbook/no-runbook.ts';

const STORED = [
  { runbookId: 'refund', version: 1 },
  { runbookId: 'refund', version: 3 },
  { runbookId: 'payout', version: 1 },
];

it.each([
  ['refnud', undefined, 'there is no runbook refnud; did you mean refund?'],
  ['reports', undefined, 'there is no runbook reports; push it first'],
  ['refund', 2, 'runbook refund has no version 2; stored: 3, 1'],
])('%s version %s: %s', (runbookId, version, text) => {
  expect(noRunbook(runbookId, version, STORED)).toBe(text);
});
