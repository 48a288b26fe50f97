import type { Command } from 'commander';

import type { ListedSchedule } from '../../../src/request/schedule-reply.ts';
import { EXIT } from '../../exit-code.ts';
import { durationFlag } from '../../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withAgent } from '../../with-agent.ts';

interface ListOptions {
  timeout?: number;
}

/** `leasehold schedule list` */
export function defineList(command: Command, register: Register): void {
  addSharedOptions(command, AGENT_OPTIONS)
    .summary('list the schedules')
    .description('List the schedules in the order of their ids.')
    .option('--timeout <duration>', 'how long to wait for a reply (default: 10s)', durationFlag);
  register<ListOptions>(command, (terminal, options) => {
    const { timeout, json } = options;
    return withAgent(terminal, options, async (agent) => {
      const found: ListedSchedule[] = [];
      for (let after: string | undefined; ;) {
        const page = await agent.schedules.list({
          ...(after !== undefined && { after }),
          timeoutMs: timeout,
        });
        found.push(...page.schedules);
        if (page.next === undefined) break;
        after = page.next;
      }
      if (json === true) {
        for (const schedule of found) printJson(terminal, schedule);
        return EXIT.done;
      }
      if (found.length === 0) {
        terminal.out('no schedules; create one with: leasehold schedule put SCHEDULE --runbook ID');
        return EXIT.done;
      }
      const { schedulesTable } = await import('../../render/schedule.ts');
      terminal.out(schedulesTable(found, terminal));
      return EXIT.done;
    });
  });
}
