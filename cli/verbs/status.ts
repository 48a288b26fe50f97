import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface StatusOptions {
  log?: boolean;
  cell?: string;
  requestId?: string;
  timeout?: number;
}

/** `leasehold status INSTANCE` */
export const status: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Show an instance: its cells, its holder and what it waits for. Exits 0 whatever the ' +
        'status is.',
    )
    .argument('<instance>', 'instance to show', idFlag)
    .option('--log', 'also show every row of its log')
    .option('--cell <id>', "show this cell's whole output", idFlag)
    .option('--request-id <id>', 'also show the receipt recorded for this request', idFlag)
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<StatusOptions>(command, (terminal, options, [instanceId = '']) => {
    const { log, cell, requestId, timeout } = options;
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.status(instanceId, {
        log,
        requestId,
        cellId: cell,
        timeoutMs: timeout,
      });
      if (options.json === true) {
        printJson(terminal, reply);
        return EXIT.done;
      }
      const { statusText } = await import('../render/status.ts');
      terminal.out(statusText(reply, terminal, Date.now(), cell));
      if (requestId !== undefined && reply.receipt === undefined)
        terminal.out(`request ${requestId} has no recorded receipt yet`);
      return EXIT.done;
    });
  });
};
