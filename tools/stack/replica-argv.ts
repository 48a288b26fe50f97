import { join } from 'node:path';

/**
 * What a busy replica is run with: room for what is young, in MiB. With Node's own 16 the requests
 * under way are copied again and again while they wait for Postgres. The command's first line says
 * the same.
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
