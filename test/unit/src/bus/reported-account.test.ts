import { headers } from 'nats';
import { describe, expect, it } from 'vitest';

import { reportedAccount } from '../../../../src/bus/reported-account.ts';

const OURS = '{"start":"2030-01-31T12:00:00Z","host":"127.0.0.1","acc":"billing","user":"u"}';
const FORGED = '{"acc":"operators"}';

function withHeaders(...lines: [string, string][]) {
  const made = headers();
  for (const [name, value] of lines) made.append(name, value);
  return { headers: made };
}

describe('the account of a message', () => {
  it('is the one that the server reports', () => {
    const message = withHeaders(['X', 'Nats-Request-Info'], ['Nats-Request-Info', OURS]);
    expect(reportedAccount(message)).toEqual({ kind: 'reported', account: 'billing' });
  });

  it('is not reported by a header that is spelled otherwise', () => {
    expect(reportedAccount({})).toEqual({ kind: 'none' });
    expect(reportedAccount(withHeaders(['nats-request-info', FORGED]))).toEqual({ kind: 'none' });
  });

  it.each([
    ['two reports, of which one is the sender’s', [FORGED, OURS]],
    ['the sender’s report after the server’s', [OURS, FORGED]],
    ['the same report twice', [OURS, OURS]],
    ['a report that is no JSON', ['{']],
    ['a report without an account', ['{"user":"billing"}']],
    ['a report whose account is no text', ['{"acc":["billing"]}']],
    ['a report that is null', ['null']],
  ])('is not believed with %s', (_what, values) => {
    const message = withHeaders(
      ...values.map((value): [string, string] => ['Nats-Request-Info', value]),
    );
    expect(reportedAccount(message)).toEqual({ kind: 'contradictory' });
  });

  it('is not believed with headers that the client cannot read', () => {
    const message = {
      get headers(): never {
        throw new Error("' ' is not a valid character for a header key");
      },
    };
    expect(reportedAccount(message)).toEqual({ kind: 'contradictory' });
  });
});
