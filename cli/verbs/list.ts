import { Option } from 'commander';

import { INSTANCE_STATUSES } from '../../src/execution/statuses.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, idFlag } from '../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withLog } from '../with-log.ts';

interface ListOptions {
  status?: string;
  runbook?: string;
  parent?: string;
  after?: string;
  limit: number;
}

/** `leasehold list` */
export const list: DefineVerb = (command, register) => {
  addSharedOptions(command, DATABASE_OPTIONS)
    .description('List instances in the order of their ids. Reads the database.')
    .addOption(new Option('--status <status>', 'only this status').choices(INSTANCE_STATUSES))
    .option('--runbook <id>', 'only instances of this runbook', idFlag)
    .option('--parent <instance>', 'only what the run cells of this instance started', idFlag)
    .option('--after <instance>', 'only ids after this one: the next page', idFlag)
    .option('--limit <n>', 'list at most this many', countFlag, 100);
  register<ListOptions>(command, (terminal, options) => {
    const { status, runbook, parent, after, limit } = options;
    return withLog(terminal, options, async (log) => {
      const instances = await log.list({
        ...(status !== undefined && { status }),
        ...(runbook !== undefined && { runbookId: runbook }),
        ...(parent !== undefined && { parent }),
        ...(after !== undefined && { after }),
        limit,
      });
      if (options.json === true) {
        for (const instance of instances) printJson(terminal, instance);
        return EXIT.done;
      }
      const [{ table }, { ago }] = await Promise.all([
        import('../render/table.ts'),
        import('../render/time.ts'),
      ]);
      const now = Date.now();
      const rows = instances.map((instance) => [
        instance.instanceId,
        `${instance.runbookId} v${instance.version}`,
        instance.status,
        instance.nextCellId,
        instance.lastSeq,
        ago(instance.updatedAt, now),
        instance.parent?.instanceId,
      ]);
      if (rows.length === 0) terminal.out('no instances found');
      else {
        const head = ['INSTANCE', 'RUNBOOK', 'STATUS', 'NEXT', 'ROWS', 'CHANGED', 'PARENT'];
        // Most instances have none.
        const width = instances.some((one) => one.parent !== undefined) ? head.length : -1;
        terminal.out(
          table(
            head.slice(0, width),
            rows.map((row) => row.slice(0, width)),
            terminal,
          ),
        );
      }
      const last = instances.at(-1);
      if (last !== undefined && instances.length === limit) {
        const { suggestion } = await import('../../src/shell-quote.ts');
        const filter = Object.entries({ status, runbook, parent, after: last.instanceId, limit });
        const flags = filter.flatMap(([name, value]) =>
          value === undefined ? [] : [`--${name}`, String(value)],
        );
        terminal.err(`there may be more: ${suggestion('list', [], flags)}`);
      }
      return EXIT.done;
    });
  });
};
