import { Option } from 'commander';
import type { Command } from 'commander';

import type { JsonObject } from '../../../src/json.ts';
import { EXIT } from '../../exit-code.ts';
import {
  countFlag,
  durationFlag,
  idFlag,
  inputFlag,
  jsonObjectFlag,
  required,
} from '../../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';
import { withAgent } from '../../with-agent.ts';

interface PutOptions {
  runbook?: string;
  version?: number;
  cron?: string;
  every?: string;
  timezone?: string;
  input?: JsonObject;
  inputs?: JsonObject;
  overlap?: 'skip' | 'allow';
  catchUp?: 'last' | 'all' | 'none';
  jitter?: string;
  attended?: boolean;
  timeout?: number;
}

/** `leasehold schedule put SCHEDULE --runbook ID --cron EXPRESSION` */
export function definePut(command: Command, register: Register): void {
  addSharedOptions(command, AGENT_OPTIONS)
    .summary('create a schedule, or revise it')
    .description(
      'Create a schedule, or revise it: start an instance of a runbook at each of its ticks. ' +
        'Putting the same again does nothing.',
    )
    .argument('<schedule>', 'id of the schedule', idFlag)
    .option('--runbook <id>', 'runbook to follow (required)', idFlag)
    .option('--version <n>', 'version of the runbook (default: the newest at each tick)', countFlag)
    .option('--cron <expression>', 'when, as a cron expression such as "0 9 * * 1-5"')
    .option('--every <duration>', 'when, as an interval such as 15m, counted from 1970 in UTC')
    .option('--timezone <zone>', 'time zone of --cron, such as Europe/Berlin (default: UTC)')
    .option(
      '--input <name=text>',
      'one input; NAME:=JSON for a value that is not text; repeatable',
      inputFlag,
    )
    .option('--inputs <json>', 'all inputs as a JSON object, or @FILE', jsonObjectFlag)
    .addOption(
      new Option(
        '--overlap <what>',
        'while the instance before has not ended: skip the tick, or allow both (default: skip)',
      ).choices(['skip', 'allow']),
    )
    .addOption(
      new Option(
        '--catch-up <which>',
        'which of the ticks that were missed to start late (default: last)',
      ).choices(['last', 'all', 'none']),
    )
    .option('--jitter <duration>', 'delay each tick by up to this long, such as 30s')
    .option('--attended', 'start instances that advance only when asked (default: by themselves)')
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<PutOptions>(command, (terminal, options, [scheduleId = '']) => {
    const { version, cron, every, timezone, input, inputs, overlap, catchUp, jitter } = options;
    const { attended, timeout, json } = options;
    const { runbook } = required(command, { runbook: options.runbook });
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.schedules.put(scheduleId, {
        runbookId: runbook,
        version,
        cron,
        every,
        timezone,
        inputs: { ...inputs, ...input },
        overlap,
        catchUp,
        jitter,
        unattended: attended === true ? false : undefined,
        timeoutMs: timeout,
      });
      if (json === true) printJson(terminal, reply);
      else {
        const { revisedText } = await import('../../render/schedule.ts');
        terminal.out(revisedText(reply));
      }
      return EXIT.done;
    });
  });
}
