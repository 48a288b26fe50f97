import type { Json } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag, jsonFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface ClaimOptions {
  evidence?: Json;
  timeout?: number;
}

/** `leasehold claim CLAIM STATUS` */
export const claim: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description('Set the status of a claim. Await cells wait for a status of their claim.')
    .argument('<claim>', 'claim to set', idFlag)
    .argument('<status>', 'its new status')
    .option('--evidence <json>', 'the reason for it, as JSON or @FILE', jsonFlag)
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<ClaimOptions>(command, (terminal, options, [claimId = '', newStatus = '']) => {
    const { evidence, timeout } = options;
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.claim(claimId, {
        status: newStatus,
        evidence,
        timeoutMs: timeout,
      });
      if (options.json === true) {
        printJson(terminal, reply);
        return EXIT.done;
      }
      const { clean } = await import('../render/table.ts');
      terminal.out(clean(`claim ${reply.claimId} is ${reply.status} (revision ${reply.revision})`));
      return EXIT.done;
    });
  });
};
