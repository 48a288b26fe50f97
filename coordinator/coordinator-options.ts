import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import type { ReplicaRecord } from './leases.ts';
import type { LeaseStore } from './store.ts';

/** The version of the MAC that this one seals and opens messages with; see `advancer/mac`. */
const MAC_VERSION = 1;

/** The names of secrets, which may change. */
export interface SecretNames {
  names(): readonly string[];
  /** Calls back when there are other names than before. */
  onNames(listener: () => void): void;
}

/** How to make a `Coordinator`. */
export interface CoordinatorOptions {
  /** etcd. The caller owns it: `stop` does not close it. */
  store: LeaseStore;
  clock: Clock;
  namespace: string;
  /** The configured name and a fresh suffix; never used twice. */
  replicaId: string;
  name: string;
  pid: number;
  /** Where this process answers over HTTP; a function if that is known only later. */
  httpUrl: string | (() => string);
  /** The handlers that this process has, by name; undefined: others are not told. */
  handlers?: readonly string[] | undefined;
  /** The secrets that this process's effects may receive; undefined: others are not told. */
  effectSecrets?: SecretNames | undefined;
  /** The TTL of sessions to ask for, in whole seconds, at least 2. */
  ttlS: number;
  /**
   * Called before every session, with a way to read the revision that etcd is at (which throws as
   * the store does). Returns why this process must not lead now, e.g. Postgres cannot be reached,
   * or holds a token above etcd's revision; undefined allows it. Called again about every second
   * until it does.
   */
  gate: (readEtcdRevision: () => Promise<number>) => Promise<string | undefined>;
  /** Releases a holding that was neither acquired nor pinned for this long, in milliseconds. */
  idleReleaseMs: number;
  /** Beyond this many holdings, releases the least recently used ones that nothing pins. */
  maxHoldings: number;
  logger?: Logger | undefined;
  /** Runs `send` once the lease requests of this turn are queued; default: `queueMicrotask`. */
  defer?: ((send: () => void) => void) | undefined;
  /** Returns 0 up to 1; spreads the retries of many replicas. Without it there is no spread. */
  random?: (() => number) | undefined;
}

/** @throws RangeError that names the option, when a number is out of range */
export function checkOptions({ ttlS, idleReleaseMs, maxHoldings }: CoordinatorOptions): void {
  if (!Number.isInteger(ttlS) || ttlS < 2) {
    throw new RangeError(`ttlS is ${ttlS}: give whole seconds, at least 2 (etcd's own minimum)`);
  }
  if (!(idleReleaseMs > 0))
    throw new RangeError(`idleReleaseMs is ${idleReleaseMs}: give more than 0`);
  if (!(maxHoldings >= 1)) throw new RangeError(`maxHoldings is ${maxHoldings}: give at least 1`);
}

/** What this process says about itself in etcd. */
export function ownRecord(
  { replicaId, name, pid, httpUrl, handlers, effectSecrets: secrets }: CoordinatorOptions,
  secretIds: readonly string[],
): ReplicaRecord {
  const address = typeof httpUrl === 'string' ? httpUrl : httpUrl();
  const effectSecrets = secrets?.names();
  const mac = MAC_VERSION;
  return { replicaId, name, pid, httpUrl: address, handlers, effectSecrets, mac, secretIds };
}
