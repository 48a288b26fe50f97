import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag, required } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface CancelOptions {
  reason?: string;
  undo?: boolean;
  children?: boolean;
  timeout?: number;
}

/** `leasehold cancel INSTANCE --reason TEXT` */
export const cancel: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Cancel an instance for good. A running attempt is ended first, and recorded as what it was.',
    )
    .argument('<instance>', 'instance to cancel', idFlag)
    .option('--reason <text>', 'why; recorded in the log (required)')
    .option('--undo', 'undo what was done before it is cancelled; the next advances do that')
    .option('--children', 'also cancel the instances that its run cells have started')
    .option('--timeout <duration>', 'how long to wait for the reply (default: 35s)', durationFlag);
  register<CancelOptions>(command, (terminal, options, [instanceId = '']) => {
    const { undo, children, timeout } = options;
    const { reason } = required(command, { reason: options.reason });
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.cancel(instanceId, { reason, undo, children, timeoutMs: timeout });
      if (options.json === true) {
        printJson(terminal, reply);
        return EXIT.done;
      }
      if (reply.status === 'cancelled') {
        terminal.out(`${instanceId} is cancelled (row ${reply.seq})`);
        return EXIT.done;
      }
      const { suggestion } = await import('../../src/shell-quote.ts');
      terminal.out(`${instanceId} is being cancelled (row ${reply.seq}); nothing is undone yet`);
      terminal.out(`next: ${suggestion('advance', [instanceId])}`);
      return EXIT.done;
    });
  });
};
