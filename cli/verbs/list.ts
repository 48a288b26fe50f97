import { Option } from 'commander';

import { INSTANCE_STATUSES } from '../../src/execution/status.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, idFlag } from '../flags.ts';
import { withLog } from '../open-log.ts';
import { shared } from '../options.ts';
import { table } from '../render/table.ts';
import { ago } from '../render/time.ts';
import { printJson } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

interface ListFlags {
  status?: string;
  runbook?: string;
  after?: string;
  limit: number;
}

/** `leasehold list`: instances, from the projection. */
export const addList: AddVerb = (parent, register) => {
  const command = shared(parent.command('list'), 'database')
    .description('list instances, by their ids; needs the database')
    .addOption(new Option('--status <status>', 'only with this status').choices(INSTANCE_STATUSES))
    .option('--runbook <id>', 'only of this runbook', idFlag)
    .option('--after <instance>', 'go on after this id', idFlag)
    .option('--limit <n>', 'at most so many', countFlag, 100);
  register(command, (terminal, options) =>
    withLog(terminal, options, async (log) => {
      const { status, runbook, after, limit } = options as unknown as ListFlags;
      const found = await log.list({
        ...(status !== undefined && { status }),
        ...(runbook !== undefined && { runbookId: runbook }),
        ...(after !== undefined && { after }),
        limit,
      });
      if (options.json === true) {
        for (const instance of found) printJson(terminal, instance);
        return EXIT.done;
      }
      const now = Date.now();
      const rows = found.map((one) => [
        one.instanceId,
        `${one.runbookId} v${one.version}`,
        one.status,
        one.nextCellId,
        one.lastSeq,
        ago(one.updatedAt, now),
      ]);
      if (rows.length === 0) terminal.out('no instance is there to list');
      else
        terminal.out(
          table(['INSTANCE', 'RUNBOOK', 'STATUS', 'NEXT', 'ROWS', 'CHANGED'], rows, terminal),
        );
      const last = found.at(-1);
      if (last !== undefined && found.length === limit)
        terminal.err(`there may be more: --after ${last.instanceId}`);
      return EXIT.done;
    }),
  );
};
