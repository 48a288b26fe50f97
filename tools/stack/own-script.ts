import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The arguments for Node that run a script: compiled, if it is, else its source.
 *
 * @param name the file name without its extension
 * @param dir the directory of the script
 */
export function ownScript(name: string, dir: string): string[] {
  const built = join(dir, `${name}.js`);
  if (existsSync(built)) return [built];
  return ['--import', 'tsx', join(dir, `${name}.ts`)];
}

/** The path of a module: compiled, if it is, else its source. */
export function ownModule(name: string, dir: string): string {
  const built = join(dir, `${name}.js`);
  return existsSync(built) ? built : join(dir, `${name}.ts`);
}
