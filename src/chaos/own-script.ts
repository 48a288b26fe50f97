import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The arguments by which Node runs a script of this room, as it was built, or from its source.
 *
 * @param name without its ending
 */
export function ownScript(name: string): string[] {
  const built = join(import.meta.dirname, `${name}.js`);
  if (existsSync(built)) return [built];
  return ['--import', 'tsx', join(import.meta.dirname, `${name}.ts`)];
}

/** The path of a module of this room, as it was built or as its source. */
export function ownModule(name: string): string {
  const built = join(import.meta.dirname, `${name}.js`);
  return existsSync(built) ? built : join(import.meta.dirname, `${name}.ts`);
}
