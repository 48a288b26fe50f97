import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { tsImport } from 'tsx/esm/api';

/** The file extensions of modules that can be imported. */
export const MODULE_ENDINGS = ['.ts', '.mts', '.js', '.mjs'];

/**
 * Imports a module by its path, TypeScript included.
 *
 * @returns its exports
 * @throws what the module throws, or an error when there is no such file
 */
export async function importModule(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(resolve(path)).href;
  const isTypeScript = ['.ts', '.mts'].includes(extname(path));
  const exported = (await (isTypeScript ? tsImport(url, import.meta.url) : import(url))) as Record<
    string,
    unknown
  >;
  // A TypeScript file outside an ESM package is treated as CommonJS, whose exports arrive as
  // `default`.
  const inner = exported['default'];
  const isCommonJs = typeof inner === 'object' && inner !== null && '__esModule' in inner;
  return isCommonJs ? { ...inner } : exported;
}
