import type { Command } from 'commander';

import { ConfigError } from '../../../src/config/config-error.ts';
import { EXIT } from '../../exit-code.ts';
import { countFlag, durationFlag, idFlag } from '../../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Terminal } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withAgent } from '../../with-agent.ts';

interface When {
  cron?: string | undefined;
  every?: string | undefined;
  timezone?: string | undefined;
}

interface NextOptions extends When {
  count: number;
  timeout?: number;
}

/** `leasehold schedule next SCHEDULE`, or `--cron EXPRESSION` */
export function defineNext(command: Command, register: Register): void {
  addSharedOptions(command, AGENT_OPTIONS)
    .summary('list the next ticks of a schedule, or of a cron expression')
    .description(
      'List the next ticks of a schedule. With --cron or --every instead, list the ticks of a ' +
        "schedule that does not exist yet, by this machine's clock; that needs no server.",
    )
    .argument('[schedule]', 'id of the schedule', idFlag)
    .option('--cron <expression>', 'a cron expression such as "0 9 * * 1-5"')
    .option('--every <duration>', 'an interval such as 15m')
    .option('--timezone <zone>', 'time zone of --cron, such as Europe/Berlin (default: UTC)')
    .option('--count <n>', 'list this many', countFlag, 10)
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<NextOptions>(command, async (terminal, options, [scheduleId]) => {
    const { cron, every, timezone, count, timeout, json } = options;
    const isGiven = cron !== undefined || every !== undefined || timezone !== undefined;
    if (isGiven === (scheduleId !== undefined))
      throw new ConfigError(['name a schedule, or give --cron or --every, and not both']);
    if (scheduleId === undefined) {
      await printTicks(terminal, { cron, every, timezone }, Date.now(), count, json === true);
      return EXIT.done;
    }
    return withAgent(terminal, options, async (agent) => {
      const details = await agent.schedules.get(scheduleId, { timeoutMs: timeout });
      const [first] = details.next;
      if (first === undefined) {
        if (details.paused) terminal.err(`${scheduleId} is paused; it has no next tick`);
        return EXIT.done;
      }
      await printTicks(terminal, details, Date.parse(first) - 1, count, json === true);
      return EXIT.done;
    });
  });
}

async function printTicks(
  terminal: Terminal,
  when: When,
  afterMs: number,
  count: number,
  json: boolean,
): Promise<void> {
  const [{ timingOf, whenProblem }, { timesAfter, timesOf }, { tickIso }] = await Promise.all([
    import('../../../src/schedule/definition.ts'),
    import('../../../src/schedule/timing.ts'),
    import('../../../src/schedule/tick-id.ts'),
  ]);
  const problem = whenProblem(when);
  if (problem !== undefined) throw new ConfigError([`--${problem.field} ${problem.message}`]);
  const ticks = timesAfter(timesOf(timingOf(when)), afterMs, count).map(tickIso);
  if (json) for (const tick of ticks) printJson(terminal, { tick });
  else {
    const { tickLines } = await import('../../render/schedule.ts');
    for (const line of tickLines(ticks, when.timezone)) terminal.out(line);
  }
}
