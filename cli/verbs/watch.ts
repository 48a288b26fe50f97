import { InvalidArgumentError } from 'commander';

import type { WireRow } from '../../src/execution/row.ts';
import { MAX_CURSOR_CHARACTERS } from '../../src/request/row-cursor.ts';
import type { RowPosition } from '../../src/request/rows.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { EXIT } from '../exit-code.ts';
import { idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

/** `leasehold watch [INSTANCE]` */
export const watch: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Print every row once, in order, as it is committed, until Ctrl-C. No row is missed while ' +
        'NATS or replicas restart.',
    )
    .argument('[instance]', 'instance to watch (default: all)', idFlag)
    .option(
      '--after <position>',
      'begin after this row: a seq if an instance is given, else the cursor that an earlier watch ' +
        'printed; 0 for the oldest row (default: now)',
      positionFlag,
    );
  register<{ after?: RowPosition }>(command, (terminal, options, [instanceId]) => {
    const { after } = options;
    return withAgent(terminal, options, async (agent) => {
      const { watchedRow } = await import('../render/watched-row.ts');
      const stop = new AbortController();
      const restore = terminal.onInterrupt(() => stop.abort());
      const rows = agent.watch(instanceId, { after, signal: stop.signal });
      const print = (row: WireRow): void => {
        if (options.json === true) printJson(terminal, jsonLine(row, rows.cursor));
        else for (const line of watchedRow(row)) terminal.out(line);
      };
      try {
        await agent.flush();
        const begun = await rows.begun();
        terminal.err(
          `watching ${instanceId ?? 'all instances'} after ${begun}; press Ctrl-C to stop`,
        );
        for await (const row of rows) print(row);
      } catch (cause) {
        if (!stop.signal.aborted) throw cause;
      }
      restore();
      const goOn = goOnCommand(instanceId, rows.cursor);
      if (goOn !== undefined) terminal.err(`to go on: ${goOn}`);
      return EXIT.done;
    });
  });
};

/** What a script reads of a row: it goes on with `--after` and the newest `next`. */
function jsonLine(row: WireRow, next: RowPosition | undefined) {
  return { instanceId: row.instance_id, rows: [row], next };
}

/** The command that goes on where a watch ended; undefined if it never began. */
function goOnCommand(
  instanceId: string | undefined,
  cursor: RowPosition | undefined,
): string | undefined {
  if (cursor === undefined) return undefined;
  const args = instanceId === undefined ? [] : [instanceId];
  return suggestion('watch', args, ['--after', String(cursor)]);
}

/** A seq, a cursor, or `now`; the message's schema says whether it fits the instance. */
function positionFlag(text: string): RowPosition {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (text !== '' && text.length <= MAX_CURSOR_CHARACTERS) return text;
  throw new InvalidArgumentError('It must be a seq such as 7, a cursor that was printed, or now.');
}
