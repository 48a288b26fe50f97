import { didYouMean } from '../runbook/nearest.ts';

const families = (['ETCD', 'NATS'] as const).flatMap((server) =>
  ['URLS', 'CA_FILE', 'CERT_FILE', 'KEY_FILE', 'USERNAME', 'PASSWORD'].map(
    (rest) => `LEASEHOLD_${server}_${rest}`,
  ),
);

/** Every variable that replicas, agents and the command line read. */
export const KNOWN = [
  ...families,
  'LEASEHOLD_NATS_TOKEN',
  'LEASEHOLD_NATS_CREDS_FILE',
  'LEASEHOLD_NATS_INBOX_PREFIX',
  'LEASEHOLD_NATS_REPLY_PREFIXES',
  'LEASEHOLD_NAMESPACE',
  'LEASEHOLD_AGENT_ID',
  'LEASEHOLD_DATABASE_URL',
  'LEASEHOLD_OWNER_DATABASE_URL',
  'LEASEHOLD_DATABASE_ROLE',
  'LEASEHOLD_APP_PASSWORD',
  'LEASEHOLD_APP_PASSWORD_FILE',
  'LEASEHOLD_OWNER_PASSWORD',
  'LEASEHOLD_OWNER_PASSWORD_FILE',
  'LEASEHOLD_REPLICA_NAME',
  'LEASEHOLD_LEASE_TTL_S',
  'LEASEHOLD_HTTP_HOST',
  'LEASEHOLD_HTTP_PORT',
  'LEASEHOLD_HTTP_ALLOW',
  'LEASEHOLD_AGENT_IDS',
  'LEASEHOLD_COMMAND_ENV',
  'LEASEHOLD_COMMAND_USER',
  'LEASEHOLD_SECRETS_DIR',
  'LEASEHOLD_LOG_LEVEL',
  'LEASEHOLD_LOG_FORMAT',
  'LEASEHOLD_DRAIN_S',
  'LEASEHOLD_HANDLERS',
  'LEASEHOLD_FAILPOINTS',
  'LEASEHOLD_IDLE_RELEASE_S',
  'LEASEHOLD_MAX_HOLDINGS',
  'LEASEHOLD_MAX_REQUESTS',
  'LEASEHOLD_MAX_REQUESTS_PER_AGENT',
  'LEASEHOLD_MAX_REQUESTS_PER_INSTANCE',
  'LEASEHOLD_MAX_MESSAGE_BYTES',
  'LEASEHOLD_MAX_MESSAGE_BYTES_PER_AGENT',
  'LEASEHOLD_MAX_QUERIES_PER_AGENT',
  'LEASEHOLD_QUEUE_REPLICAS',
  'LEASEHOLD_QUEUE_STORAGE',
  'LEASEHOLD_QUEUE_MAX_MESSAGES',
  'LEASEHOLD_QUEUE_MAX_BYTES',
  'LEASEHOLD_QUEUE_MAX_POISON',
];

/** Secrets, and variables of the local servers, of the tests, and of a running command cell. */
const ALSO_KNOWN =
  /^LEASEHOLD_(SECRET_.*|(ETCD|NATS|NATS_SERVER|POSTGRES)_(BIN|BIN_DIR|SERIES|PORT)|CACHE_DIR|STACK_ROUTES|TEST_[A-Z_]+|INSTANCE_ID|CELL_ID|ATTEMPT|FENCING_TOKEN|IDEMPOTENCY_KEY|OUTPUT_FILE)$/;

/** One warning for each `LEASEHOLD_` variable that nothing reads. */
export function unknownVariables(names: readonly string[]): string[] {
  return names
    .filter(
      (name) => name.startsWith('LEASEHOLD_') && !KNOWN.includes(name) && !ALSO_KNOWN.test(name),
    )
    .map(
      (name) => `${name} is not a variable of Leasehold and is ignored${didYouMean(name, KNOWN)}`,
    );
}
