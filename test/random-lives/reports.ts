import type { SecretHunt } from '../../tools/chaos/secret-hunt.ts';
import type { TestCluster } from '../harness/replicas.ts';

/** Searches what commands print about these instances. */
export async function searchReports(
  hunt: SecretHunt,
  cluster: TestCluster,
  instanceIds: readonly string[],
): Promise<void> {
  const commands = [
    ['list', '--json'],
    ['replicas', '--json'],
    ...instanceIds.flatMap((instanceId) => [
      ['status', instanceId, '--log'],
      ['status', instanceId, '--log', '--json'],
      ['show', instanceId],
      ['show', instanceId, '--html'],
    ]),
  ];
  const printed = await Promise.all(commands.map((command) => cluster.cli(command)));
  for (const [nth, { stdout, stderr }] of printed.entries())
    hunt.look(`leasehold ${commands[nth]?.[0]}`, `${stdout}${stderr}`);
}
