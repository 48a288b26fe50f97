import { join } from 'node:path';

/**
 * Node's options for a replica: a young generation of 64 MiB. With Node's default of 16, requests
 * under way are copied repeatedly while they wait for Postgres. The first lines of the command
 * line's main script have the same options (`scripts/build.mjs`).
 */
export const REPLICA_NODE_OPTIONS = ['--max-semi-space-size=64'] as const;

/** The arguments for Node that run a compiled replica, which reports that it is ready in JSON. */
export function replicaArgv(packageDir: string): string[] {
  return replicaArgvOf(join(packageDir, 'dist', 'cli', 'main.js'));
}

/** The same for a build whose command line is elsewhere. */
export function replicaArgvOf(mainScript: string): string[] {
  return [...REPLICA_NODE_OPTIONS, mainScript, 'advancer', '--json'];
}
