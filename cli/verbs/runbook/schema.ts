import type { Command } from 'commander';

import { EXIT } from '../../exit-code.ts';
import { addSharedOptions } from '../../shared-options.ts';
import { printJson } from '../../terminal.ts';
import type { Register } from '../../verb.ts';

/** `leasehold runbook schema` */
export function defineSchema(command: Command, register: Register): void {
  addSharedOptions(command, ['json'])
    .summary('print the JSON Schema of runbook files')
    .description(
      'Print the JSON Schema of a runbook file, with which editors complete and check YAML. The ' +
        'package has it too: leasehold/runbook.schema.json. Needs no server.',
    );
  register(command, async (terminal, options) => {
    const { runbookJsonSchema } = await import('../../../src/runbook/json-schema.ts');
    const schema = runbookJsonSchema();
    if (options.json === true) printJson(terminal, schema);
    else terminal.out(JSON.stringify(schema, null, 2));
    return EXIT.done;
  });
}
