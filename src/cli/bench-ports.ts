import { join } from 'node:path';

import type { BenchPorts } from '../bench/ports.ts';
import { ownScript } from '../chaos/own-script.ts';
import { chaosPorts } from './chaos-ports.ts';

const PROGRAMS = join(import.meta.dirname, 'bench');

/** The log and the coordinator, as bench needs them. */
export const benchPorts: BenchPorts = {
  migrate: (superuserUrl, namespace) => chaosPorts.migrate(superuserUrl, namespace),
  pushRunbooks: (databaseUrl, namespace, documents) =>
    chaosPorts.pushRunbooks(databaseUrl, namespace, documents),
  baselinesArgv: ownScript('baselines-main', PROGRAMS),
};
