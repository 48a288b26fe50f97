import { errorText } from '../../src/error-text.ts';
import { importModule, MODULE_ENDINGS } from '../../src/runbook/import-module.ts';
import { extname } from 'node:path';

import type { Handler } from './cells.ts';

/**
 * Loads the module that `LEASEHOLD_HANDLERS` names: its default export is `{name: handler}`, or it
 * exports handlers by name.
 *
 * @throws Error that names the module and what is wrong with it
 */
export async function loadHandlers(modulePath: string): Promise<Record<string, Handler>> {
  const about = `LEASEHOLD_HANDLERS: ${modulePath}`;
  if (!MODULE_ENDINGS.includes(extname(modulePath))) {
    throw new Error(`${about} must end in ${MODULE_ENDINGS.join(', ')}`);
  }
  let exported: Record<string, unknown>;
  try {
    exported = await importModule(modulePath);
  } catch (cause) {
    const message = errorText(cause);
    throw new Error(`${about} cannot be imported: ${message}`, { cause });
  }
  const { default: byDefault, ...byName } = exported;
  const given: unknown = byDefault ?? byName;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new Error(
      `${about}: its default export must be an object {name: handler}, not ${kindOf(given)}`,
    );
  }
  const handlers: Record<string, Handler> = {};
  for (const [name, handler] of Object.entries(given)) {
    if (typeof handler !== 'function') {
      throw new Error(
        `${about}: the handler ${JSON.stringify(name)} must be a function, not ${kindOf(handler)}`,
      );
    }
    handlers[name] = handler as Handler;
  }
  if (Object.keys(handlers).length === 0) {
    throw new Error(
      `${about} exports no handler: write \`export default { name: async (call) => … }\``,
    );
  }
  return handlers;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
