import type { NatsConfig } from '../../src/config/servers.ts';
import { shellCommand } from '../../src/shell-quote.ts';
import type { FaultMix } from './fault-mix.ts';

/** How to connect to NATS, besides its addresses. */
type NatsAccess = Pick<NatsConfig, 'tls' | 'auth' | 'inboxPrefix'>;

/** The options of `leasehold chaos`. */
export interface ChaosOptions {
  seed: number;
  /** How long faults are made. Starting the stack and settling come on top. */
  durationMs: number;
  /** The value of `--faults` as given, for the command that repeats the run. */
  faults: string;
  mix: FaultMix;
  replicas: number;
  agents: number;
  /** How many instances are under way at once. */
  instances: number;
  /** Messages a second of a hostile client that is there throughout; undefined: none. */
  hostileRate: number | undefined;
  leaseTtlS: number;
  /** Folder for the record, the witness's files, the report and the logs. */
  dir: string;
  /** File for the report; default: in `dir`. */
  reportFile: string | undefined;
  /** Use this running stack instead of starting one. */
  attach: AttachTo | undefined;
  /** The libfaketime to use; default: the installed one, if any. */
  faketimeLib: string | undefined;
  env: NodeJS.ProcessEnv;
  /**
   * What Node runs as a replica instead of the built command line. No command-line option sets
   * this: it is for tests, which run chaos on a replica with a broken rule and check that it is
   * caught.
   */
  replicaArgv?: readonly string[];
  /**
   * Called once the run's database is migrated, before any replica starts. Also only for tests,
   * which take a rule out of the database's guard.
   */
  afterMigrate?: (superuserUrl: string) => Promise<void>;
}

/** A stack that already runs. */
export interface AttachTo {
  namespace: string;
  natsUrls: readonly string[];
  /** TLS and credentials for NATS. */
  natsAccess: NatsAccess;
  /** For the application's role. */
  databaseUrl: string;
  /** Replica processes on this machine that may be killed and frozen. */
  pids: readonly number[];
}

/** The command that repeats a run. */
export function commandOf(options: ChaosOptions): string {
  const { seed, durationMs, faults, replicas, agents, instances, leaseTtlS, attach } = options;
  const { hostileRate } = options;
  const duration = durationMs % 1_000 === 0 ? `${durationMs / 1_000}s` : `${durationMs}ms`;
  const args = ['leasehold', 'chaos', '--duration', duration, '--seed', String(seed)];
  if (faults !== 'all') args.push('--faults', faults);
  if (hostileRate !== undefined) args.push('--hostile', String(hostileRate));
  args.push(
    '--agents',
    String(agents),
    '--instances',
    String(instances),
    '--lease-ttl',
    String(leaseTtlS),
  );
  if (attach === undefined) args.push('--replicas', String(replicas));
  else args.push('--attach', ...attach.pids.flatMap((pid) => ['--replica-pid', String(pid)]));
  return shellCommand(...args);
}
