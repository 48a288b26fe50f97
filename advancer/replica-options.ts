import type { Bus } from '../src/bus/bus.ts';
import type { RequestStream } from '../src/bus/request-stream.ts';
import type { Subjects } from '../src/bus/subjects.ts';
import type { IntakeLimits } from '../src/config/limits.ts';
import type { Logger } from '../src/logger.ts';
import type { Clock } from '../src/time/clock.ts';
import type { EffectRunner } from './cells/cells.ts';
import type { Failpoint } from './failpoints.ts';
import type { AgentIdPolicy } from './intake/agent-account.ts';
import type { LeasesLifecycle } from './leases-lifecycle.ts';
import type { Log } from './log/log.ts';
import type { RowPages } from './log/row-pages.ts';
import type { Need } from './readiness.ts';
import type { Counted } from './run/context.ts';

/** What a replica is made of; the simulation replaces each port. */
export interface ReplicaOptions {
  log: Log;
  pages: RowPages;
  bus: Bus;
  subjects: Subjects;
  effects: EffectRunner;
  clock: Clock;
  logger: Logger;
  count: (event: Counted) => void;
  failpoint: Failpoint | undefined;
  /** The stream of enqueued requests; undefined: none can be enqueued. */
  stream?: RequestStream | undefined;
  /** How long a session lives without a keep-alive. */
  ttlMs: number;
  /** How long attempts may go on once the replica drains. */
  drainMs: number;
  limits?: IntakeLimits | undefined;
  /** Makes the coordinator, which must pass the gate before it leads. */
  coordinator: (
    gate: (readEtcdRevision: () => Promise<number>) => Promise<string | undefined>,
  ) => LeasesLifecycle;
  /** Which agent ids it believes; default: `claimed`. */
  agentIds?: AgentIdPolicy | undefined;
  /** What it needs besides its servers; default: nothing. */
  needs?: readonly Need[] | undefined;
  /** Ends the process: an invariant is broken. */
  crash: (cause: unknown) => never;
}
