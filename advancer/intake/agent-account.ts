import type { ReportedAccount } from '../../src/bus/bus.ts';
import type { ReplyError } from '../../src/request/messages.ts';

/**
 * Which agent ids are believed: `account`, only those that the NATS server's report of the account
 * confirms, or `claimed`, also those of messages without such a report.
 */
export type AgentIdPolicy = 'claimed' | 'account';

/**
 * Why the agent id of a message is not to be recorded; undefined if it is. A message that comes
 * from another account than the replicas' bears that account's name as its agent id.
 */
export function agentIdProblem(
  agentId: string,
  account: ReportedAccount,
  policy: AgentIdPolicy,
): ReplyError | undefined {
  switch (account.kind) {
    case 'checked':
      return undefined;
    case 'reported':
      return account.account === agentId
        ? undefined
        : refused(
            `is ${agentId}, but the NATS server says that this message comes from the account ` +
              `${account.account}; set the agent id to that name (LEASEHOLD_AGENT_ID, agentId)`,
          );
    case 'contradictory':
      return refused('is not believed: the message has a Nats-Request-Info header of its sender');
    case 'none':
      return policy === 'claimed'
        ? undefined
        : refused(
            'is not confirmed by the NATS server, and this replica wants that (LEASEHOLD_AGENT_IDS): ' +
              'connect as a user of an account that imports the services, see deploy/nats/accounts.conf',
          );
  }
}

function refused(problem: string): ReplyError {
  return { code: 'invalid', message: `agentId: ${problem}`, field: 'agentId' };
}
