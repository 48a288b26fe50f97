import { countFlag } from '../flags.ts';
import { addSharedOptions, environment } from '../shared-options.ts';
import type { DefineVerb } from '../verb.ts';

interface DevVerbOptions {
  replicas: number;
  leaseTtl: number;
  show?: boolean;
  exit?: boolean;
}

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
    .option('--show', 'run the demo: races, and replicas killed in the middle of an effect')
    .option('--exit', 'exit after the demo: 0 only if every effect happened exactly once');
  register<DevVerbOptions>(command, async (terminal, options) => {
    const { json, replicas, leaseTtl, show, exit } = options;
    const { runDev } = await import('../dev/dev.ts');
    return runDev(terminal, {
      env: environment(terminal.env, options),
      json: json === true,
      replicas,
      leaseTtlS: leaseTtl,
      demo: show === true || exit === true,
      exit: exit === true,
    });
  });
};
