import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The arguments by which Node runs a script, as it was built, or from its source.
 *
 * @param name without its ending
 * @param dir the folder it lies in
 */
export function ownScript(name: string, dir: string): string[] {
  const built = join(dir, `${name}.js`);
  if (existsSync(built)) return [built];
  return ['--import', 'tsx', join(dir, `${name}.ts`)];
}

/** The path of a module, as it was built or as its source. */
export function ownModule(name: string, dir: string): string {
  const built = join(dir, `${name}.js`);
  return existsSync(built) ? built : join(dir, `${name}.ts`);
}
