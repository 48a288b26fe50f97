import { resolve } from 'node:path';

import { countFlag, portFlag } from '../flags.ts';
import { addSharedOptions, environment } from '../shared-options.ts';
import type { DefineVerb } from '../verb.ts';

interface DevVerbOptions {
  replicas: number;
  leaseTtl: number;
  data?: string;
  etcdPort?: number;
  natsPort?: number;
  postgresPort?: number;
  ledgerPort?: number;
  show?: boolean;
  exit?: boolean;
}

const HELP_FOOTER = `
Environment:
  LEASEHOLD_HANDLERS   module that exports {name: handler}, for cells that run handlers
                       (default: the one of the examples)
  LEASEHOLD_SECRETS_DIR, LEASEHOLD_SECRET_<NAME>
                       secrets that cells use as \${secrets.NAME}
  LEASEHOLD_HTTP_PORT  HTTP port of the first replica; the others follow (default: free ones)
  Replicas get every other variable too, and run commands in the current directory.`;

/** `leasehold dev` */
export const dev: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json', 'namespace'], { heading: 'Options:' });
  addSharedOptions(command, ['nats', 'etcd', 'ownerDatabase', 'database'], {
    heading: 'Servers that already run:',
    nats: 'use this NATS instead of starting one (LEASEHOLD_NATS_URLS)',
    etcd: 'use this etcd instead of starting one (LEASEHOLD_ETCD_URLS)',
    ownerDatabase: 'use this Postgres instead of starting one (LEASEHOLD_OWNER_DATABASE_URL)',
    database: 'the same for the role leasehold_app (LEASEHOLD_DATABASE_URL)',
  })
    .description(
      'Run servers, replicas, a ledger and example runbooks on this machine, until Ctrl-C.',
    )
    .option('--replicas <n>', 'how many replicas to run', countFlag, 3)
    .option('--lease-ttl <seconds>', 'how long a lease outlives a dead holder', countFlag, 5)
    .option('--data <dir>', 'keep the data there for the next run (default: remove it at the end)')
    .option('--etcd-port <port>', 'port of etcd (default: a free one)', portFlag)
    .option('--nats-port <port>', 'port of NATS (default: a free one)', portFlag)
    .option('--postgres-port <port>', 'port of Postgres (default: a free one)', portFlag)
    .option('--ledger-port <port>', 'port of the ledger (default: a free one)', portFlag)
    .option('--show', 'run the demo: races, and replicas killed in the middle of an effect')
    .option('--exit', 'exit after the demo: 0 only if every effect happened exactly once')
    .addHelpText('after', HELP_FOOTER);
  register<DevVerbOptions>(command, async (terminal, options) => {
    const { json, replicas, leaseTtl, data, show, exit } = options;
    const { etcdPort, natsPort, postgresPort, ledgerPort } = options;
    const { runDev } = await import('../dev/dev.ts');
    return runDev(terminal, {
      env: environment(terminal.env, options),
      json: json === true,
      replicas,
      leaseTtlS: leaseTtl,
      ports: { etcd: etcdPort, nats: natsPort, postgres: postgresPort, ledger: ledgerPort },
      dataDir: data === undefined ? undefined : resolve(data),
      demo: show === true || exit === true,
      exit: exit === true,
    });
  });
};
