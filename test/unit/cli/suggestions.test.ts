import { execFileSync } from 'node:child_process';

import { expect, it } from 'vitest';

import { receiptText } from '../../../cli/render/receipt.ts';
import { statusText } from '../../../cli/render/status.ts';
import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../../../src/request/receipt.ts';

const NOW = Date.parse('2030-01-01T00:01:00Z');
const since = '2030-01-01T00:00:00Z';
const plain = { color: false };
const inDoubt = { cellId: 'charge', attempt: 2, reason: 'crash', since };
const inFlight = { cellId: 'charge', attempt: 1, requestId: 'q-2', since };
const awaiting = {
  cellId: 'ok',
  claimId: 'refund-A',
  statuses: ["the boss's $(approval)"],
  currentStatus: null,
};

/** The commands in a text, from the name of the program to the end of the line. */
const commandsIn = (text: string): string[] =>
  text
    .split('\n')
    .flatMap((line) => /(?:^|: | {2})(leasehold (?!replicas).*)$/.exec(line)?.[1] ?? []);

/** The words that a shell gives to the program. */
function words(command: string): string[][] {
  const script = `leasehold() { for word; do printf '%s\\0' "$word"; done; printf '\\n'; }\n${command}`;
  return execFileSync('sh', ['-eu', '-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\0').slice(0, -1));
}

it('every command that a receipt suggests means the same when it is pasted', () => {
  const seen: string[][] = [];
  for (const outcome of [...RECORDED_OUTCOMES, ...REFUSED_OUTCOMES]) {
    const text = receiptText(
      {
        requestId: 'q-1',
        instanceId: 'refund-7',
        outcome,
        steps: [],
        nextCellId: 'charge',
        holder: null,
        awaiting,
        inDoubt,
        inFlight,
      },
      plain,
      NOW,
    );
    seen.push(...commandsIn(text).flatMap(words));
  }
  const verbs = new Set(['advance', 'claim', 'decide', 'start', 'status', 'watch']);
  expect(new Set(seen.map(([verb]) => verb))).toEqual(verbs);
  expect(seen).toContainEqual(['claim', 'refund-A', "the boss's $(approval)"]);
  expect(seen).toContainEqual(
    ['decide', 'refund-7', '--cell', 'charge', '--attempt', '2'].concat([
      '--as',
      'rerun',
      '--reason',
      '…',
    ]),
  );
  // One line of text is one command: nothing that is only for reading follows it.
  for (const command of seen) {
    const flags = command.slice(1).filter((word) => word.startsWith('-'));
    expect(flags.every((flag) => flag.startsWith('--'))).toBe(true);
    expect(command.length).toBeLessThanOrEqual(10);
  }
});

it('a halted instance shows its whole reason, and every way on', () => {
  const message = `exit code 3: ${'long '.repeat(100)}end`;
  const text = statusText(
    {
      instanceId: 'refund-7',
      runbookId: 'refund',
      version: 1,
      status: 'halted',
      nextCellId: 'charge',
      holder: null,
      lastSeq: 2,
      cells: [
        {
          cellId: 'charge',
          type: 'exec',
          state: 'failed',
          attempt: 2,
          error: { code: 'exit', message },
        },
      ],
    },
    plain,
    NOW,
  );
  expect(text).toContain(`charge failed (attempt 2): ${message} (exit)`);
  const decide = ['decide', 'refund-7', '--cell', 'charge', '--attempt', '2', '--as'];
  expect(commandsIn(text).flatMap(words)).toEqual([
    ['status', 'refund-7', '--log'],
    ...['rerun', 'succeeded', 'skipped'].map((as) => [...decide, as, '--reason', '…']),
    ['cancel', 'refund-7', '--reason', '…'],
  ]);
});
