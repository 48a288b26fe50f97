import type { Command } from 'commander';

import { EXIT } from '../../exit-code.ts';
import { durationFlag, idFlag } from '../../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withAgent } from '../../with-agent.ts';

interface ChangeOptions {
  timeout?: number;
}

const CHANGES = [
  ['pause', 'let a schedule start nothing until it is resumed'],
  ['resume', 'let a paused schedule go on, from now on'],
  ['delete', 'end a schedule; what it has started goes on'],
] as const;

/** `leasehold schedule pause | resume | delete SCHEDULE` */
export function defineChanges(parent: Command, register: Register): void {
  for (const [verb, summary] of CHANGES) {
    const command = parent.command(verb);
    addSharedOptions(command, AGENT_OPTIONS)
      .summary(summary)
      .description(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)
      .argument('<schedule>', 'id of the schedule', idFlag)
      .option(
        '--timeout <duration>',
        'how long to wait for the reply (default: 10s)',
        durationFlag,
      );
    register<ChangeOptions>(command, (terminal, options, [scheduleId = '']) => {
      const { timeout, json } = options;
      return withAgent(terminal, options, async (agent) => {
        const reply = await agent.schedules[verb](scheduleId, { timeoutMs: timeout });
        if (json === true) printJson(terminal, reply);
        else {
          const { changedText } = await import('../../render/schedule.ts');
          terminal.out(changedText(verb, reply));
        }
        return EXIT.done;
      });
    });
  }
}
