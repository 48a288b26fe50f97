import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface EnqueueOptions {
  cell?: string;
  maxCells?: number;
  requestId?: string;
  expiresIn?: number;
  timeout?: number;
}

/** `leasehold enqueue INSTANCE` */
export const enqueue: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Store a request to advance an instance. Once it is stored it is served, also if no replica ' +
        'runs now. Its receipt is recorded under the request id.',
    )
    .argument('<instance>', 'instance to advance', idFlag)
    .option('--cell <id>', 'refuse to run unless this cell is next', idFlag)
    .option('--max-cells <n>', 'run at most this many exec cells', countFlag)
    .option('--request-id <id>', 'repeat an earlier request; nothing runs twice', idFlag)
    .option(
      '--expires-in <duration>',
      'do not begin later than this (default: never)',
      durationFlag,
    )
    .option(
      '--timeout <duration>',
      'how long to wait until it is stored (default: 10s)',
      durationFlag,
    );
  register<EnqueueOptions>(command, (terminal, options, [instanceId = '']) => {
    const { cell, maxCells, requestId, expiresIn, timeout } = options;
    return withAgent(terminal, options, async (agent) => {
      const stored = await agent.enqueue(instanceId, {
        requestId,
        cellId: cell,
        maxCells,
        expiresAt: expiresIn === undefined ? undefined : new Date(Date.now() + expiresIn),
        timeoutMs: timeout,
      });
      if (options.json === true) printJson(terminal, stored);
      else {
        const { suggestion } = await import('../../src/shell-quote.ts');
        terminal.out(`stored as message ${stored.seq} of ${stored.stream}`);
        const flags = ['--request-id', stored.requestId];
        terminal.out(
          `its receipt, once it is served: ${suggestion('status', [instanceId], flags)}`,
        );
      }
      return EXIT.done;
    });
  });
};
