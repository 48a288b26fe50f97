/** The servers that Leasehold needs. */
export type ServerName = 'etcd' | 'nats' | 'postgres';

export const SERVER_NAMES: readonly ServerName[] = ['etcd', 'nats', 'postgres'];

/** A server program on this machine, which was run once to read its version. */
export interface ServerBinary {
  readonly name: ServerName;
  /** The upstream version, such as `3.5.30`. */
  readonly version: string;
  /** Absolute path of the executable itself, symbolic links resolved. */
  readonly path: string;
  /** Where it was found. */
  readonly from: 'environment' | 'path' | 'cache' | 'fetched';
}

interface ServerTraits {
  readonly executable: string;
  /** The environment variable that names the executable (for Postgres, its directory). */
  readonly overrideVariable: string;
  readonly seriesVariable: string;
  /** Older series are used only if nothing newer is available. */
  readonly preferredSeries: string;
  /** The command that installs it on Debian or Ubuntu. */
  readonly installCommand: string;
}

export const SERVER_TRAITS: Readonly<Record<ServerName, ServerTraits>> = {
  etcd: {
    executable: 'etcd',
    overrideVariable: 'LEASEHOLD_ETCD_BIN',
    seriesVariable: 'LEASEHOLD_ETCD_SERIES',
    preferredSeries: '3.5',
    installCommand: 'apt-get install etcd-server',
  },
  nats: {
    executable: 'nats-server',
    overrideVariable: 'LEASEHOLD_NATS_SERVER_BIN',
    seriesVariable: 'LEASEHOLD_NATS_SERIES',
    preferredSeries: '2.10',
    installCommand: 'apt-get install nats-server',
  },
  postgres: {
    executable: 'postgres',
    overrideVariable: 'LEASEHOLD_POSTGRES_BIN_DIR',
    seriesVariable: 'LEASEHOLD_POSTGRES_SERIES',
    preferredSeries: '14',
    installCommand: 'apt-get install postgresql',
  },
};

/** Reads the version from the output of `--version`. */
export function parseVersion(text: string): string | undefined {
  return /(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
}

/** Compares versions numerically: negative if `a` is older. `3.10` is newer than `3.9`. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `3.5.30` is of the series `3.5`, `3` and `3.5.30`, not of `3.50`. Undefined matches any. */
export function isOfSeries(version: string, series: string | undefined): boolean {
  return series === undefined || version === series || version.startsWith(`${series}.`);
}
