import { EXIT } from '../exit-code.ts';
import { idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

/** `leasehold watch [INSTANCE]` */
export const watch: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description('Print every row as it is committed, until Ctrl-C.')
    .argument('[instance]', 'instance to watch (default: all)', idFlag);
  register(command, (terminal, options, [instanceId]) =>
    withAgent(terminal, options, async (agent) => {
      const { eventLines } = await import('../render/event.ts');
      const stop = new AbortController();
      const restore = terminal.onInterrupt(() => stop.abort());
      const events = agent.events(instanceId, { signal: stop.signal });
      await agent.flush();
      terminal.err(`watching ${instanceId ?? 'all instances'}; press Ctrl-C to stop`);
      for await (const event of events) {
        if (options.json === true) printJson(terminal, event);
        else for (const line of eventLines(event)) terminal.out(line);
      }
      restore();
      return EXIT.done;
    }),
  );
};
