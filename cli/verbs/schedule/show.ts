import type { Command } from 'commander';

import { EXIT } from '../../exit-code.ts';
import { durationFlag, idFlag } from '../../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withAgent } from '../../with-agent.ts';

interface ShowOptions {
  timeout?: number;
}

/** `leasehold schedule show SCHEDULE` */
export function defineShow(command: Command, register: Register): void {
  addSharedOptions(command, AGENT_OPTIONS)
    .summary('show a schedule')
    .description('Show a schedule, its next ticks, and what became of its newest ones.')
    .argument('<schedule>', 'id of the schedule', idFlag)
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<ShowOptions>(command, (terminal, options, [scheduleId = '']) => {
    const { timeout, json } = options;
    return withAgent(terminal, options, async (agent) => {
      const details = await agent.schedules.get(scheduleId, { timeoutMs: timeout });
      if (json === true) printJson(terminal, details);
      else {
        const { scheduleText } = await import('../../render/schedule.ts');
        terminal.out(scheduleText(details, terminal, Date.now()));
      }
      return EXIT.done;
    });
  });
}
