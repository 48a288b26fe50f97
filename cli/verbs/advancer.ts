import { addSharedOptions, environment } from '../shared-options.ts';
import type { DefineVerb } from '../verb.ts';

/** `leasehold advancer` */
export const advancer: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json', 'namespace', 'nats', 'etcd', 'database'], {
    nats: 'NATS URLs (LEASEHOLD_NATS_URLS)',
  }).description(
    'Run one replica until SIGTERM or Ctrl-C, which drains it: it releases its leases and exits. ' +
      'The environment has more settings; see docs/operations.md.',
  );
  register(command, async (terminal, options) => {
    const { runAdvancer } = await import('../../advancer/main.ts');
    return runAdvancer(environment(terminal.env, options), { json: options.json === true });
  });
};
