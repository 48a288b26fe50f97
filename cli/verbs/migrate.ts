import { EXIT } from '../exit-code.ts';
import { addSharedOptions, environment } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';

interface MigrateOptions {
  rebuildProjection?: boolean;
}

/** `leasehold migrate` */
export const migrate: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json', 'namespace', 'ownerDatabase', 'database'], {
    database:
      'URL whose password the role leasehold_app gets when it is created ' +
      '(LEASEHOLD_DATABASE_URL)',
  })
    .description(
      'Create or upgrade the schema, its roles and the namespace. Does nothing where it is up ' +
        'to date.',
    )
    .option('--rebuild-projection', 'also rebuild the list of instances from the log');
  register<MigrateOptions>(command, async (terminal, options) => {
    const { json, rebuildProjection } = options;
    const { readMigrateConfig } = await import('../../src/config/config.ts');
    const { ownerDatabaseUrl, databaseUrl, namespace } = readMigrateConfig(
      environment(terminal.env, options),
    );
    const { migrate: migrateDatabase } = await import('../../advancer/log/migrate.ts');
    // Used only if this run creates the role.
    const app = databaseUrl === undefined ? '' : decodeURIComponent(new URL(databaseUrl).password);
    const report = await migrateDatabase({
      url: ownerDatabaseUrl,
      namespace,
      ...(app !== '' && { passwords: { app } }),
    });
    let rebuilt: number | undefined;
    if (rebuildProjection === true) {
      const { rebuild } = await import('../rebuild.ts');
      rebuilt = await rebuild(databaseUrl ?? ownerDatabaseUrl, namespace);
    }
    if (json === true) {
      printJson(terminal, { ...report, ...(rebuilt !== undefined && { rebuilt }) });
      return EXIT.done;
    }
    for (const name of report.applied) terminal.out(`applied ${name}`);
    for (const name of report.functions) terminal.out(`applied function ${name}`);
    for (const name of report.kept)
      terminal.out(`kept function ${name}: the database has a newer version of it`);
    const isChanged = report.applied.length + report.functions.length > 0;
    const unchanged = isChanged ? '' : ' (unchanged)';
    terminal.out(`namespace ${report.namespace} is at version ${report.version}${unchanged}`);
    if (rebuilt !== undefined)
      terminal.out(`rebuilt the list: ${rebuilt} ${rebuilt === 1 ? 'instance' : 'instances'}`);
    return EXIT.done;
  });
};
