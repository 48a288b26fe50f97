import type { JsonObject } from '../../src/json.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag, inputFlag, jsonObjectFlag } from '../flags.ts';
import { shared } from '../options.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold start INSTANCE --runbook ID` */
export const addStart: AddVerb = (parent, register) => {
  const command = shared(parent.command('start'), 'nats')
    .description('start an instance: pin it to a runbook version and its inputs')
    .argument('<instance>', 'the new id', idFlag)
    .requiredOption('--runbook <id>', 'which runbook', idFlag)
    .option('--version <n>', 'which version; the newest when left out', countFlag)
    .option(
      '--input <name=text>',
      'one input; NAME:=JSON for other than text; may be repeated',
      inputFlag,
    )
    .option('--inputs <json>', 'all inputs as one JSON object, or @FILE', jsonObjectFlag)
    .option('--timeout <duration>', 'how long to wait for the answer; default 10s', durationFlag);
  register(command, (terminal, options, [instanceId = '']) => {
    const given = options as {
      runbook: string;
      version?: number;
      input?: JsonObject;
      inputs?: JsonObject;
    };
    return withAgent(terminal, options, async (agent) => {
      const reply = await agent.start(instanceId, {
        runbookId: given.runbook,
        version: given.version,
        inputs: { ...given.inputs, ...given.input },
        timeoutMs: options['timeout'] as number | undefined,
      });
      if (options.json === true) printJson(terminal, reply);
      else {
        const { runbookId, version, created } = reply;
        terminal.out(
          `${instanceId} ${created ? 'is started' : 'had been started before'}: ${runbookId} v${version}`,
        );
        terminal.out(`next: leasehold advance ${instanceId}`);
      }
      return EXIT.done;
    });
  });
};
