import type { Ran, TestCluster } from '../harness/replicas.ts';
import * as shapes from './shapes.ts';

/** Nothing listens at the URLs of etcd and Postgres. */
export const NATS_ONLY = {
  LEASEHOLD_ETCD_URLS: 'http://127.0.0.1:9',
  LEASEHOLD_DATABASE_URL: 'postgres://leasehold_app@127.0.0.1:9/nowhere',
  LEASEHOLD_OWNER_DATABASE_URL: 'postgres://leasehold_owner@127.0.0.1:9/nowhere',
};

interface JsonRan extends Ran {
  /** The JSON values on standard output, one per line. */
  lines: unknown[];
}

/** Runs a command line, whose arguments are separated by single spaces, with `--json`. */
export async function runJson(
  cluster: TestCluster,
  line: string,
  env: NodeJS.ProcessEnv = {},
): Promise<JsonRan> {
  const ran = await cluster.cli([...line.split(' '), '--json'], env);
  return { ...ran, lines: shapes.jsonLines(ran.stdout) };
}
