import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

import { packageRoot } from '../stack/cache-dir.ts';
import type { EvaluatedFigure } from './figure.ts';
import type { BenchOptions } from './options.ts';
import { postgresSettings } from './servers.ts';
import type { BenchServers } from './servers.ts';

/** Everything that a run measured, and on what: `bench.json`. */
export interface BenchRecord {
  format: 1;
  /** ISO 8601. */
  startedAt: string;
  durationMs: number;
  command: string;
  /** Whether everything that was requested was measured. */
  ended: 'complete' | 'broken_off' | 'failed';
  /**
   * The scenarios that could not be measured, because an operation ended otherwise than it should,
   * or a process exited.
   */
  failures: { scenario: string; why: string }[];
  machine: { cpu: string; cpus: number; platform: string };
  versions: Record<'leasehold' | 'node' | 'etcd' | 'nats' | 'postgres', string>;
  /** Settings of Postgres; product and baselines use the same server. */
  postgresSettings: Record<string, string>;
  figures: EvaluatedFigure[];
}

/** The machine and the servers of a run. */
export type Environment = Pick<BenchRecord, 'machine' | 'versions' | 'postgresSettings'>;

/** Reads what the machine and the servers are. */
export async function describeEnvironment({
  etcd,
  nats,
  postgres,
}: BenchServers): Promise<Environment> {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return {
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cpus: cpus().length,
      platform: `${process.platform} ${process.arch}`,
    },
    versions: {
      leasehold: (JSON.parse(text) as { version: string }).version,
      node: process.version,
      etcd: etcd.version,
      nats: nats.version,
      postgres: postgres.version,
    },
    postgresSettings: await postgresSettings(postgres.url),
  };
}

/** The command line that measures the same again. */
export function commandOf(options: BenchOptions): string {
  const { scenarios, agents, durationMs, replicas, trials, held, rows } = options;
  // No value has a character that a shell would change.
  return [
    `leasehold bench --scenario ${scenarios.join(',')} --agents ${agents.join(',')}`,
    `--duration ${durationMs % 1_000 === 0 ? `${durationMs / 1_000}s` : `${durationMs}ms`}`,
    `--replicas ${replicas} --trials ${trials} --held ${held} --rows ${rows}`,
  ].join(' ');
}
