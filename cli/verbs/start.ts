import type { JsonObject } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag, inputFlag, jsonObjectFlag, required } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface StartOptions {
  runbook?: string;
  version?: number;
  input?: JsonObject;
  inputs?: JsonObject;
  unattended?: boolean;
  timeout?: number;
}

/** `leasehold start INSTANCE --runbook ID` */
export const start: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Start an instance: fix its runbook version and inputs. Starting it again with the same ' +
        'content does nothing.',
    )
    .argument('<instance>', 'id of the new instance', idFlag)
    .option('--runbook <id>', 'runbook to follow (required)', idFlag)
    .option('--version <n>', 'version of the runbook (default: the newest)', countFlag)
    .option(
      '--input <name=text>',
      'one input; NAME:=JSON for a value that is not text; repeatable',
      inputFlag,
    )
    .option('--inputs <json>', 'all inputs as a JSON object, or @FILE', jsonObjectFlag)
    .option('--unattended', 'it goes on by itself whenever it can; nobody need advance it')
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<StartOptions>(command, (terminal, options, [instanceId = '']) => {
    const { version, input, inputs, unattended, timeout } = options;
    const { runbook } = required(command, { runbook: options.runbook });
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.start(instanceId, {
        runbookId: runbook,
        version,
        inputs: { ...inputs, ...input },
        unattended,
        timeoutMs: timeout,
      });
      if (options.json === true) printJson(terminal, reply);
      else {
        const started = reply.created ? 'started' : 'already started';
        terminal.out(`${instanceId} ${started}: ${reply.runbookId} v${reply.version}`);
        const { suggestion } = await import('../../src/shell-quote.ts');
        const next = unattended === true ? 'status' : 'advance';
        terminal.out(`next: ${suggestion(next, [instanceId])}`);
      }
      return EXIT.done;
    });
  });
};
