import { fillLog } from './baselines/fill.ts';
import { openLog } from '../../advancer/log/postgres-log.ts';
import type { BenchPorts } from './ports.ts';
import { ownScript } from '../stack/own-script.ts';
import { migrateLog, pushRunbooks } from '../log-access/log-setup.ts';

/** As `leasehold list` and the sweeper ask. */
const LIST_PAGE = 100;
const SWEEP_BATCH = 500;
const SWEEP_QUIET_MS = 500;

const PROGRAMS = import.meta.dirname;

/** The log and the coordinator, as bench needs them. */
export const benchPorts: BenchPorts = {
  migrate: migrateLog,
  pushRunbooks,
  baselinesArgv: ownScript('baselines-main', PROGRAMS),
  leasesArgv: ['--expose-gc', ...ownScript('leases-main', PROGRAMS)],
  fillLog: (superuserUrl, fill, told) => fillLog(superuserUrl, fill, told),
  async openReads(databaseUrl, namespace) {
    const log = openLog({ url: databaseUrl, namespace, appendTimeoutMs: 60_000 });
    await log.check();
    return {
      list: (after) => log.list({ after, limit: LIST_PAGE }),
      sweep: () => log.unsettled(SWEEP_BATCH, SWEEP_QUIET_MS),
      close: () => log.close(),
    };
  },
};
