import { Option } from 'commander';

import { VERDICTS } from '../../src/execution/row.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { Json } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag, jsonFlag, required } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface DecideOptions {
  cell?: string;
  attempt?: number;
  as?: Verdict;
  reason?: string;
  output?: Json;
  timeout?: number;
}

/** `leasehold decide INSTANCE --cell ID --attempt N --as VERDICT --reason TEXT` */
export const decide: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Resolve an attempt in doubt, or a cell that halted its instance: record what became of ' +
        'it, or that it is to run again. The instance moves on with the next advance.',
    )
    .argument('<instance>', 'instance in doubt, or halted', idFlag)
    .option('--cell <id>', 'cell in doubt, or that halted (required)', idFlag)
    .option('--attempt <n>', 'its newest attempt (required)', countFlag)
    .addOption(
      new Option('--as <verdict>', 'what became of it, or rerun (required)').choices(VERDICTS),
    )
    .option('--reason <text>', 'how you know; recorded in the log (required)')
    .option('--output <json>', "the cell's output, with --as succeeded; JSON or @FILE", jsonFlag)
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<DecideOptions>(command, (terminal, options, [instanceId = '']) => {
    const { output, timeout } = options;
    const { cell, attempt, as, reason } = required(command, {
      cell: options.cell,
      attempt: options.attempt,
      as: options.as,
      reason: options.reason,
    });
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.decide(instanceId, {
        cellId: cell,
        attempt,
        as,
        reason,
        output,
        timeoutMs: timeout,
      });
      if (options.json === true) printJson(terminal, reply);
      else {
        terminal.out(`attempt ${attempt} of ${cell} decided: ${reply.as} (row ${reply.seq})`);
        const { suggestion } = await import('../../src/shell-quote.ts');
        terminal.out(`next: ${suggestion('advance', [instanceId])}`);
      }
      return EXIT.done;
    });
  });
};
