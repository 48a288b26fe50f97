import type { Mix } from './mix.ts';

/** What `leasehold chaos` was asked for. */
export interface ChaosOptions {
  seed: number;
  /** Of the faults; bringing the stack up and settling come on top. */
  durationMs: number;
  /** As it was written, for the command that repeats the run. */
  faults: string;
  mix: Mix;
  replicas: number;
  agents: number;
  /** How many instances are under way at once. */
  instances: number;
  leaseTtlS: number;
  /** Where the record, the witness's file, the report and the logs go. */
  dir: string;
  /** Where the report goes; default: into `dir`. */
  reportFile: string | undefined;
  /** A stack that already runs, in the place of one of our own. */
  attach: AttachTo | undefined;
  /** Default: where the system has it. */
  faketimeLib: string | undefined;
  env: NodeJS.ProcessEnv;
  /**
   * What Node runs as a replica, in the place of the built command line. No option of the command
   * line leads here: it is for tests that put a spoilt replica under chaos, to see it caught.
   */
  replicaArgv?: readonly string[];
  /**
   * Runs on the run's own database once it is migrated, before any replica starts. Also only for
   * tests: they take a rule out of the database's guard.
   */
  afterMigrate?: (superuserUrl: string) => Promise<void>;
}

/** A stack that already runs. */
export interface AttachTo {
  namespace: string;
  natsUrls: readonly string[];
  /** The application's. */
  databaseUrl: string;
  /** Replica processes of this machine that may be killed and frozen. */
  pids: readonly number[];
}

/** The command line that repeats a run. */
export function commandOf(options: ChaosOptions): string {
  const { seed, durationMs, faults, replicas, agents, instances, leaseTtlS, attach } = options;
  const duration = durationMs % 1_000 === 0 ? `${durationMs / 1_000}s` : `${durationMs}ms`;
  const words = ['leasehold', 'chaos', '--duration', duration, '--seed', String(seed)];
  if (faults !== 'all') words.push('--faults', faults);
  words.push(
    '--agents',
    String(agents),
    '--instances',
    String(instances),
    '--lease-ttl',
    String(leaseTtlS),
  );
  if (attach === undefined) words.push('--replicas', String(replicas));
  else words.push('--attach', ...attach.pids.flatMap((pid) => ['--replica-pid', String(pid)]));
  return words.join(' ');
}
