import { describe, expect, it } from 'vitest';

import { agentIdProblem } from '../../../../advancer/intake/agent-account.ts';
import { readRequest } from '../../../../advancer/intake/read-request.ts';
import type { ReportedAccount } from '../../../../src/bus/bus.ts';
import { AdvanceMessage, StatusMessage } from '../../../../src/request/messages.ts';

const BILLING: ReportedAccount = { kind: 'reported', account: 'billing' };
const NONE: ReportedAccount = { kind: 'none' };
const CONTRADICTORY: ReportedAccount = { kind: 'contradictory' };
const CHECKED: ReportedAccount = { kind: 'checked' };

const POLICIES = ['claimed', 'account'] as const;

describe('an agent id', () => {
  it.each(POLICIES)('that the server reports is believed (%s)', (policy) => {
    expect(agentIdProblem('billing', BILLING, policy)).toBeUndefined();
  });

  it.each(POLICIES)('of another account is refused, with both names (%s)', (policy) => {
    expect(agentIdProblem('operators', BILLING, policy)).toEqual({
      code: 'invalid',
      field: 'agentId',
      message: expect.stringMatching(
        /^agentId: is operators, .* comes from the account billing;/,
      ) as string,
    });
  });

  it.each(POLICIES)('with a contradictory report is refused (%s)', (policy) => {
    expect(agentIdProblem('billing', CONTRADICTORY, policy)?.message).toMatch(/Nats-Request-Info/);
  });

  it('without a report is recorded as claimed, unless LEASEHOLD_AGENT_IDS=account', () => {
    expect(agentIdProblem('billing', NONE, 'claimed')).toBeUndefined();
    expect(agentIdProblem('billing', NONE, 'account')?.message).toMatch(
      /not confirmed by the NATS server.*LEASEHOLD_AGENT_IDS.*an account that imports/,
    );
  });

  it('that another replica has checked is believed', () => {
    expect(agentIdProblem('billing', CHECKED, 'account')).toBeUndefined();
  });
});

describe('a request', () => {
  const read = (body: object, account: ReportedAccount) =>
    readRequest(
      'i-1',
      AdvanceMessage,
      { data: Buffer.from(JSON.stringify(body)), account },
      'account',
    );

  it('is read only if its agent id may be recorded', () => {
    const body = { requestId: 'r-1', agentId: 'billing' };
    expect(read(body, BILLING)).toEqual({ ok: true, value: body });
    expect(read(body, NONE)).toMatchObject({ ok: false, error: { field: 'agentId' } });
    expect(read({ ...body, agentId: 'a b' }, BILLING)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('A-Z a-z') as string },
    });
  });

  it('without an agent id needs no account', () => {
    const message = { data: Buffer.from('{}'), account: NONE };
    expect(readRequest('i-1', StatusMessage, message, 'account')).toEqual({ ok: true, value: {} });
  });
});
