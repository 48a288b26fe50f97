import { Connections } from '../../advancer/log/connections.ts';

/**
 * When receipts, late outcomes and refusals were recorded, as ISO 8601 times. A timeline shows
 * them; no check needs them.
 */
export interface RecordedTimes {
  /** By request id. */
  receipts: ReadonlyMap<string, string>;
  /** By `instance/cell/attempt/kind`. */
  lateOutcomes: ReadonlyMap<string, string>;
  /** By `instance/seq/token/replica/kind`. */
  refusals: ReadonlyMap<string, { at: string; reason: string }>;
  /** The Postgres server's version, such as 15.18. */
  postgresVersion: string;
}

const TIMEOUT_MS = 60_000;

/**
 * Reads the times of all instances whose id begins with the prefix.
 *
 * @throws LogUnavailable
 */
export async function recordedTimes(url: string, prefix: string): Promise<RecordedTimes> {
  const db = new Connections({
    url,
    applicationName: 'leasehold-times',
    max: 1,
    queryTimeoutMs: TIMEOUT_MS,
    ownSettings: true,
    connectTimeoutMs: TIMEOUT_MS,
  });
  const rowsOf = (
    table: string,
    key: string,
    moreColumns = '',
  ): Promise<{ key: string; at: string; reason: string }[]> =>
    db.query(
      `select ${key} as key, leasehold.iso8601(recorded_at) as at${moreColumns} from leasehold.${table}
         where starts_with(instance_id, $1)`,
      [prefix],
    );
  try {
    const receipts = await rowsOf('requests', 'request_id');
    const late = await rowsOf(
      'late_outcomes',
      `concat_ws('/', instance_id, cell_id, attempt, kind)`,
    );
    const refusals = await rowsOf(
      'refusals',
      `concat_ws('/', instance_id, seq, fencing_token, replica_id, kind)`,
      ', reason',
    );
    const [version] = await db.query<{ version: string }>(
      `select current_setting('server_version') as version`,
    );
    return {
      receipts: new Map(receipts.map(({ key, at }) => [key, at])),
      lateOutcomes: new Map(late.map(({ key, at }) => [key, at])),
      refusals: new Map(refusals.map(({ key, at, reason }) => [key, { at, reason }])),
      postgresVersion: version?.version.split(' ')[0] ?? 'unknown',
    };
  } finally {
    await db.close();
  }
}
