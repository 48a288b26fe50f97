import type { Command } from 'commander';

import type { NoSecrets } from '../../coordinator/rotation.ts';
import { systemClock } from '../../src/time/clock.ts';
import { EXIT } from '../exit-code.ts';
import { reportFailure, type Failure } from '../failure.ts';
import { durationFlag } from '../flags.ts';
import { addSharedOptions, ETCD_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb, Register } from '../verb.ts';
import { withLeaseStore } from '../with-lease-store.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** `leasehold secrets show | rotate` */
export const secrets: DefineVerb = (command, register) => {
  command.description(
    "Show or rotate the secret with which a namespace's replicas know each other's messages.",
  );
  defineShow(command.command('show'), register);
  defineRotate(command.command('rotate'), register);
};

function defineShow(command: Command, register: Register): void {
  addSharedOptions(command, ETCD_OPTIONS)
    .summary('list the secrets by their ids')
    .description(
      'List the secrets by their ids, oldest first, and which replicas have each. Reads etcd; prints no secret.',
    );
  register(command, (terminal, options) =>
    withLeaseStore(terminal, options, async (store, namespace) => {
      const { secretsInUse } = await import('../../coordinator/rotation.ts');
      const found = await secretsInUse(store, namespace);
      const json = options.json === true;
      if ('kind' in found) return reportFailure(terminal, json, failureOf(found, namespace));
      const { ids, replicas } = found;
      const lines = ids.map((id) => {
        const has = replicas.filter(({ secretIds }) => secretIds?.includes(id) === true);
        return { id, replicas: has.map(({ replicaId }) => replicaId) };
      });
      if (json) {
        for (const line of lines) printJson(terminal, line);
        return EXIT.done;
      }
      const { table } = await import('../render/table.ts');
      const rows = lines.map(({ id, replicas: has }) => [
        id,
        `${has.length} of ${replicas.length}`,
      ]);
      terminal.out(table(['SECRET', 'REPLICAS THAT HAVE IT'], rows, terminal));
      return EXIT.done;
    }),
  );
}

function defineRotate(command: Command, register: Register): void {
  addSharedOptions(command, ETCD_OPTIONS)
    .summary('replace the secret')
    .description(
      'Replace the secret: add a new one, wait until every replica has it, and remove the old one. No replica is silenced meanwhile. After an interruption, run it again.',
    )
    .option(
      '--timeout <duration>',
      `how long the replicas have to read the new secret (default: ${DEFAULT_TIMEOUT_MS / 1_000}s)`,
      durationFlag,
    );
  register<{ timeout?: number }>(command, (terminal, options) => {
    const { timeout: timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    return withLeaseStore(terminal, options, async (store, namespace) => {
      const { rotateSecret } = await import('../../coordinator/rotation.ts');
      const json = options.json === true;
      const say = (text: string): void => (json ? terminal.err(text) : terminal.out(text));
      const rotation = await rotateSecret({
        store,
        namespace,
        clock: systemClock,
        timeoutMs,
        onAdded: (id) => say(`added secret ${id}; waiting until every replica has it`),
      });
      switch (rotation.kind) {
        case 'rotated': {
          const { id, removed } = rotation;
          if (json) printJson(terminal, { id, removed });
          else terminal.out(`every replica has it; removed ${removed.join(', ')}`);
          return EXIT.done;
        }
        case 'waiting': {
          const message = `these replicas do not have secret ${rotation.id} yet: ${rotation.replicaIds.join(', ')}`;
          const lines = [
            `unavailable: ${message}`,
            'both secrets stay valid; see the logs of these replicas, then run this again',
          ];
          return reportFailure(terminal, json, { code: 'unavailable', message, lines });
        }
        case 'none':
        case 'unreadable':
          return reportFailure(terminal, json, failureOf(rotation, namespace));
      }
    });
  });
}

function failureOf(found: NoSecrets, namespace: string): Failure {
  const key = `/leasehold/${namespace}/secrets`;
  if (found.kind === 'none') {
    const message = `there is no secret in namespace ${namespace}`;
    return {
      code: 'not_found',
      message,
      lines: [message, 'the first replica creates one; start it with: leasehold advancer'],
    };
  }
  const message = `the value of ${key} in etcd cannot be used: ${found.why}`;
  return {
    code: 'failure',
    message,
    lines: [`error: ${message}`, `delete the key: the replicas create a new secret`],
  };
}
