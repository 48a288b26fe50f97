import { join } from 'node:path';

/**
 * What a busy replica is run with: room for what is young, in MiB. With Node's own 16 the requests
 * under way are copied again and again while they wait for Postgres. The command's first line says
 * the same.
 */
export const REPLICA_NODE_OPTIONS = ['--max-semi-space-size=64'] as const;

/** The arguments by which Node runs a replica, as it was built, that tells of itself in JSON. */
export function replicaArgv(packageDir: string): string[] {
  return [
    ...REPLICA_NODE_OPTIONS,
    join(packageDir, 'dist', 'cli', 'main.js'),
    'advancer',
    '--json',
  ];
}
