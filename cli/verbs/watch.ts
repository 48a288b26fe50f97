import { EXIT } from '../exit-code.ts';
import { idFlag } from '../flags.ts';
import { shared } from '../options.ts';
import { rowText } from '../render/row.ts';
import { clean } from '../render/table.ts';
import { timeOfDay } from '../render/time.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold watch [INSTANCE]` */
export const addWatch: AddVerb = (parent, register) => {
  const command = shared(parent.command('watch'), 'nats')
    .description('print every commit as it happens, until Ctrl-C')
    .argument('[instance]', 'which instance; all of them when left out', idFlag);
  register(command, (terminal, options, [instanceId]) =>
    withAgent(terminal, options, async (agent) => {
      const stop = new AbortController();
      const restore = terminal.onInterrupt(() => stop.abort());
      const events = agent.events(instanceId, { signal: stop.signal });
      await agent.flush();
      terminal.err(`watching ${instanceId ?? 'every instance'}; Ctrl-C ends it`);
      for await (const event of events) {
        if (options.json === true) {
          printJson(terminal, event);
          continue;
        }
        for (const row of event.rows) {
          const where = `${clean(row.instance_id)} #${row.seq}`;
          const who = `token ${row.fencing_token} ${clean(row.replica_id)}`;
          terminal.out(`${timeOfDay(row.recorded_at)}  ${where}  ${rowText(row)}  [${who}]`);
        }
        if (event.receipt !== undefined) {
          const { requestId, outcome } = event.receipt;
          terminal.out(
            `          ${clean(event.instanceId)}  request ${clean(String(requestId))}: ${outcome}`,
          );
        }
      }
      restore();
      return EXIT.done;
    }),
  );
};
