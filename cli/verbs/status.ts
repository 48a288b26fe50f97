import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag } from '../flags.ts';
import { shared } from '../options.ts';
import { statusText } from '../render/status.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold status INSTANCE` */
export const addStatus: AddVerb = (parent, register) => {
  const command = shared(parent.command('status'), 'nats')
    .description('where an instance stands; exits 0 when there was an answer')
    .argument('<instance>', 'which instance', idFlag)
    .option('--log', 'with the whole log')
    .option('--request-id <id>', 'with the receipt recorded under this request id', idFlag)
    .option('--timeout <duration>', 'how long to wait for the answer; default 10s', durationFlag);
  register(command, (terminal, options, [instanceId = '']) => {
    const flags = options as { log?: boolean; requestId?: string; timeout?: number };
    return withAgent(terminal, options, async (agent) => {
      const { log, requestId, timeout } = flags;
      const reply = await agent.status(instanceId, { log, requestId, timeoutMs: timeout });
      if (options.json === true) printJson(terminal, reply);
      else {
        terminal.out(statusText(reply, terminal, Date.now()));
        if (requestId !== undefined && reply.receipt === undefined) {
          terminal.out(`request ${requestId} has no recorded receipt (yet)`);
        }
      }
      return EXIT.done;
    });
  });
};
