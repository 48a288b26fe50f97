import type { PreparedFault, SkippedFault } from './fault-injector.ts';
import type { HostileClients } from './hostile/hostile.ts';
import type { ChaosRecord, ReplicaProcess } from './record.ts';
import type { PlannedFault } from './schedule.ts';
import type { SecretHunt } from './secret-hunt.ts';
import type { Witness } from './witness.ts';

/** What a run tests: a stack that it starts itself, or one that is already running. */
export interface SystemUnderTest {
  readonly namespace: string;
  readonly natsUrls: readonly string[];
  /** For the application's role, bypassing the proxies. */
  readonly databaseUrl: string;
  readonly witness: Witness;
  /** Whether this run started the replicas, with the workload's handlers and commands. */
  readonly own: boolean;
  readonly serverVersions: Pick<ChaosRecord['versions'], 'etcd' | 'nats'>;
  /** The hostile clients; undefined where there can be none. */
  readonly hostile: HostileClients | undefined;
  /** The secret that its replicas have for the workload; undefined if they have none. */
  readonly secret: string | undefined;
  /** Chooses what the fault will affect, or says why it cannot be made. */
  prepare(fault: PlannedFault): Promise<PreparedFault | SkippedFault>;
  /** Ends every fault. */
  heal(): Promise<void>;
  /** Searches what replicas serve over HTTP. */
  searchReplicas(hunt: SecretHunt): Promise<void>;
  /** Searches what the run has left: the servers' data, and every log and file. */
  searchRemains(hunt: SecretHunt): Promise<void>;
  /** Stops what this run started, except the servers: the log is still to be read. */
  stopReplicas(gently: boolean): Promise<void>;
  /** Stops everything this run started. Stopping twice is harmless. */
  stop(): Promise<void>;
}

/** What a system under test reports to its run, and hears from it. */
export interface SystemHooks {
  nowMs: () => number;
  /** Called with each replica process that became ready. */
  onProcess: (process: ReplicaProcess) => void;
  say: (text: string) => void;
  /** Ends faults early. */
  stop: AbortSignal;
}
