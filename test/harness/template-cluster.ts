import { TestCluster } from './replicas.ts';
import type { TemplateNats } from './nats-template.ts';
import { freshDatabase, serversForTests } from './servers.ts';

/** What {@link templateCluster} needs to know. */
export interface TemplateClusterOptions {
  namespace: string;
  replicas: number;
  /** Whether the template's agents are told apart by their accounts. */
  byAccounts: boolean;
}

/** Replicas on a NATS server that runs a template, and on the other servers that tests share. */
export async function templateCluster(
  nats: TemplateNats,
  { namespace, replicas, byAccounts }: TemplateClusterOptions,
): Promise<TestCluster> {
  return TestCluster.start({
    replicas,
    servers: {
      ...serversForTests(),
      natsUrls: [nats.url],
      superuserUrl: await freshDatabase(),
    },
    natsLogin: nats.login('replica'),
    env: {
      ...nats.env('replica'),
      LEASEHOLD_NAMESPACE: namespace,
      LEASEHOLD_AGENT_IDS: byAccounts ? 'account' : 'claimed',
    },
  });
}
