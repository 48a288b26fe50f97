import type { Json } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag, jsonFlag } from '../flags.ts';
import { shared } from '../options.ts';
import { clean } from '../render/table.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold claim CLAIM STATUS` */
export const addClaim: AddVerb = (parent, register) => {
  const command = shared(parent.command('claim'), 'nats')
    .description('record a new status of a claim, which await cells wait for')
    .argument('<claim>', 'which claim', idFlag)
    .argument('<status>', 'its new status')
    .option('--evidence <json>', 'why, as JSON, or @FILE', jsonFlag)
    .option('--timeout <duration>', 'how long to wait for the answer; default 10s', durationFlag);
  register(command, (terminal, options, [claimId = '', status = '']) =>
    withAgent(terminal, options, async (agent) => {
      const flags = options as { evidence?: Json; timeout?: number };
      const reply = await agent.claim(claimId, {
        status,
        evidence: flags.evidence,
        timeoutMs: flags.timeout,
      });
      if (options.json === true) printJson(terminal, reply);
      else
        terminal.out(
          clean(`claim ${reply.claimId} is ${reply.status} (revision ${reply.revision})`),
        );
      return EXIT.done;
    }),
  );
};
