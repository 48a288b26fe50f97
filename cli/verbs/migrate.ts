import { EXIT } from '../exit-code.ts';
import { addSharedOptions, environment } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { ReservedIds } from '../../advancer/log/reserved-ids.ts';
import type { DefineVerb } from '../verb.ts';

interface MigrateOptions {
  rebuildProjection?: boolean;
}

/** `leasehold migrate` */
export const migrate: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json', 'namespace', 'ownerDatabase', 'database'], {
    database:
      'URL of the role leasehold_app, for what that role itself must do ' +
      '(LEASEHOLD_DATABASE_URL)',
  })
    .description(
      'Create or upgrade the schema, its roles and the namespace. Does nothing where it is up ' +
        'to date. The roles leasehold_app and leasehold_owner get the passwords in ' +
        'LEASEHOLD_APP_PASSWORD and LEASEHOLD_OWNER_PASSWORD, or in the files that ' +
        'LEASEHOLD_APP_PASSWORD_FILE and LEASEHOLD_OWNER_PASSWORD_FILE name.',
    )
    .option('--rebuild-projection', 'also rebuild the list of instances from the log');
  register<MigrateOptions>(command, async (terminal, options) => {
    const { json, rebuildProjection } = options;
    const { readMigrateConfig } = await import('../../src/config/config.ts');
    const { ownerDatabaseUrl, databaseUrl, namespace, passwords } = readMigrateConfig(
      environment(terminal.env, options),
    );
    const { migrate: migrateDatabase } = await import('../../advancer/log/migrate.ts');
    const report = await migrateDatabase({
      url: ownerDatabaseUrl,
      namespace,
      passwords,
      appUrl: databaseUrl,
    });
    let rebuilt: number | undefined;
    if (rebuildProjection === true) {
      const { rebuild } = await import('../rebuild.ts');
      rebuilt = await rebuild(databaseUrl ?? ownerDatabaseUrl, namespace);
    }
    for (const role of report.withoutPassword) terminal.err(noPassword(role));
    for (const one of report.reserved) terminal.err(cannotRun(one));
    if (json === true) {
      printJson(terminal, { ...report, ...(rebuilt !== undefined && { rebuilt }) });
      return EXIT.done;
    }
    for (const name of report.applied) terminal.out(`applied ${name}`);
    for (const name of report.functions) terminal.out(`applied function ${name}`);
    for (const name of report.kept)
      terminal.out(`kept function ${name}: the database has a newer version of it`);
    if (report.copied) {
      terminal.out(
        'the database was copied from another Postgres cluster: its rows count as the oldest ones, ' +
          'and cursors from there are refused',
      );
    }
    const isChanged = report.applied.length + report.functions.length > 0;
    const unchanged = isChanged ? '' : ' (unchanged)';
    terminal.out(`namespace ${report.namespace} is at version ${report.version}${unchanged}`);
    if (rebuilt !== undefined)
      terminal.out(`rebuilt the list: ${rebuilt} ${rebuilt === 1 ? 'instance' : 'instances'}`);
    return EXIT.done;
  });
};

/** What to do about a runbook version whose cells have ids that are reserved. */
function cannotRun({ runbookId, version, cellIds, unfinished }: ReservedIds): string {
  const instances =
    unfinished === 0
      ? ''
      : ` Instances of this version that have not ended: ${unfinished}. They halt at such a cell; ` +
        'cancel them, or finish them with the previous release first.';
  return (
    `${runbookId} version ${version} cannot run: the ids ${cellIds.join(', ')} begin with undo-, ` +
    `which names what undoes a cell. Push a version that names these cells otherwise.${instances}`
  );
}

/** What to do about a role that cannot log in. */
function noPassword(role: string): string {
  const variable = `LEASEHOLD_${role === 'leasehold_app' ? 'APP' : 'OWNER'}_PASSWORD`;
  return (
    `${role} has no password, and this Postgres asks for passwords: set ${variable} ` +
    `(or ${variable}_FILE) and run \`leasehold migrate\` again`
  );
}
