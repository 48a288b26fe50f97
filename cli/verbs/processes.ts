import { readMigrateConfig } from '../../src/config/config.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag } from '../flags.ts';
import { environment, shared } from '../options.ts';
import { printJson } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

/** `leasehold advancer`: one replica, until SIGTERM. */
export const addAdvancer: AddVerb = (parent, register) => {
  const command = shared(parent.command('advancer'), 'nats', 'etcd', 'database').description(
    'run a replica; SIGTERM hands its work over and ends it',
  );
  register(command, async (terminal, options) => {
    const { runAdvancer } = await import('../../advancer/main.ts');
    return runAdvancer(environment(terminal.env, options), { json: options.json === true });
  });
};

/** `leasehold migrate`: the schema, its roles and the namespace. */
export const addMigrate: AddVerb = (parent, register) => {
  const command = shared(parent.command('migrate'), 'owner database')
    .description('create or upgrade the schema; harmless when there is nothing to do')
    .option('--rebuild-projection', 'derive the list of instances anew from the log');
  register(command, async (terminal, options) => {
    const config = readMigrateConfig(environment(terminal.env, options));
    const { ownerDatabaseUrl, databaseUrl, namespace } = config;
    const { migrate } = await import('../../advancer/log/migrate.ts');
    // Used only where the role is created here, by a URL that may do so.
    const app = databaseUrl === undefined ? '' : decodeURIComponent(new URL(databaseUrl).password);
    const report = await migrate({
      url: ownerDatabaseUrl,
      namespace,
      ...(app !== '' && { passwords: { app } }),
    });
    let rebuilt: number | undefined;
    if (options['rebuildProjection'] === true) {
      const { rebuild } = await import('../rebuild.ts');
      rebuilt = await rebuild(databaseUrl ?? ownerDatabaseUrl, namespace);
    }
    if (options.json === true)
      printJson(terminal, { ...report, ...(rebuilt !== undefined && { rebuilt }) });
    else {
      for (const name of report.applied) terminal.out(`applied ${name}`);
      for (const name of report.functions) terminal.out(`applied function ${name}`);
      for (const name of report.kept)
        terminal.out(`kept function ${name}: the database has a later text of it`);
      const changed = report.applied.length + report.functions.length > 0;
      terminal.out(
        `namespace ${report.namespace} is at version ${report.version}${changed ? '' : ', as before'}`,
      );
      if (rebuilt !== undefined)
        terminal.out(`derived ${rebuilt} ${rebuilt === 1 ? 'instance' : 'instances'} anew`);
    }
    return EXIT.done;
  });
};

/** `leasehold dev`: servers, replicas and an example on this machine, until Ctrl-C. */
export const addDev: AddVerb = (parent, register) => {
  const command = shared(parent.command('dev'), 'nats', 'etcd', 'owner database')
    .description('servers, replicas and an example on this machine, until Ctrl-C')
    .option('--replicas <n>', 'how many replicas', countFlag, 3)
    .option('--lease-ttl <seconds>', 'how long a lease outlives its silent holder', countFlag, 5)
    .option('--show', 'show the main job on the example')
    .option('--exit', 'end after the show; exits 0 only if every effect was counted once');
  register(command, async (terminal, options) => {
    const { runDev } = await import('../dev/dev.ts');
    return runDev(environment(terminal.env, options), {
      json: options.json === true,
      replicas: options['replicas'] as number,
      leaseTtlS: options['leaseTtl'] as number,
      show: options['show'] === true,
      exit: options['exit'] === true,
    });
  });
};
