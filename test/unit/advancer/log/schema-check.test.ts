import { expect, it } from 'vitest';

import { checkSchema, PermanentMismatch } from '../../../../advancer/log/schema-check.ts';

/** What a database answers when it is asked what it is. */
const STATE = {
  namespace: 'n',
  encoding: 'UTF8',
  recovering: false,
  readOnly: false,
  applied: [],
  functions: [],
};

function check(state: Partial<typeof STATE>): Promise<void> {
  return checkSchema({ query: () => Promise.resolve([{ ...STATE, ...state }] as never) }, 'n');
}

it('a standby cannot be written to; it may be promoted, so waiting can help', async () => {
  await expect(check({ recovering: true, readOnly: true })).rejects.toThrow(
    /is a standby \(in recovery\).*must lead to the primary/,
  );
  await expect(check({ recovering: true })).rejects.not.toThrow(PermanentMismatch);
});

it('nor can a database that is read-only for this role', async () => {
  await expect(check({ readOnly: true })).rejects.toThrow(/read-only for this role \(25006\)/);
});

it('another encoding never changes, so waiting does not help', async () => {
  await expect(check({ encoding: 'SQL_ASCII' })).rejects.toThrow(PermanentMismatch);
});
