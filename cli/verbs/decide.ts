import { Option } from 'commander';

import { VERDICTS } from '../../src/execution/row.ts';
import type { Verdict } from '../../src/execution/row.ts';
import type { Json } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag, jsonFlag } from '../flags.ts';
import { shared } from '../options.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

interface DecideFlags {
  cell: string;
  attempt: number;
  as: Verdict;
  reason: string;
  output?: Json;
  timeout?: number;
}

/** `leasehold decide INSTANCE --cell ID --attempt N --as VERDICT --reason TEXT` */
export const addDecide: AddVerb = (parent, register) => {
  const command = shared(parent.command('decide'), 'nats')
    .description('settle a doubt: say what became of an interrupted attempt')
    .argument('<instance>', 'which instance', idFlag)
    .requiredOption('--cell <id>', 'the cell in doubt', idFlag)
    .requiredOption('--attempt <n>', 'the attempt in doubt', countFlag)
    .addOption(
      new Option('--as <verdict>', 'what became of it').choices(VERDICTS).makeOptionMandatory(),
    )
    .requiredOption('--reason <text>', 'how you know; it is kept in the log')
    .option('--output <json>', "the cell's output, with --as succeeded; JSON or @FILE", jsonFlag)
    .option('--timeout <duration>', 'how long to wait for the answer; default 10s', durationFlag);
  register(command, (terminal, options, [instanceId = '']) =>
    withAgent(terminal, options, async (agent) => {
      const { cell, attempt, as, reason, output, timeout } = options as unknown as DecideFlags;
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
        terminal.out(`attempt ${attempt} of ${cell} is decided: ${reply.as} (row ${reply.seq})`);
        terminal.out(`next: leasehold advance ${instanceId}`);
      }
      return EXIT.done;
    }),
  );
};
