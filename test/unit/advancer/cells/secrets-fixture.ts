import { expect } from 'vitest';

import { Redaction } from '../../../../advancer/secrets/redaction.ts';
import type { Secrets } from '../../../../advancer/secrets/secrets.ts';
import type { Effect, ExecCell } from '../../../../src/runbook/runbook.ts';
import { tracesOf } from '../../../harness/secret-hunt.ts';
import { run } from './fixture.ts';

/** The secrets of the replica under test. */
export const VALUES: Record<string, string> = {
  TOKEN: 'tok_live-51H8x"\\/é z',
  OTHER: 'of-another-cell',
  PIN: '1234567890',
};

/** Secrets that do not change. */
export function fixed(redaction?: Redaction): Secrets {
  const all = new Redaction(Object.entries(VALUES).map(([name, value]) => ({ name, value })));
  return { value: (name) => VALUES[name], redaction: () => redaction ?? all };
}
export const secrets = fixed();

/** A command that runs a script. */
export const node = (script: string, ...args: string[]): string[] => [
  process.execPath,
  '-e',
  script,
  '--',
  ...args,
];

/** Runs a cell of this replica with secrets, and finds no trace of one in the outcome. */
export async function clean(
  fields: Partial<ExecCell> & { exec: Effect },
  options: Parameters<typeof run>[1] = {},
): Promise<Record<string, unknown>> {
  const outcome = await run(fields, { secrets, ...options });
  expect(tracesOf(VALUES, [['outcome', JSON.stringify(outcome)]])).toEqual([]);
  return { ...outcome };
}
