import type { LoopResult } from './closed-loop.ts';
import type { NatsTraffic } from './nats-traffic.ts';
import type { OpenLoopResult } from './open-loop.ts';

/** Where requests go. */
export interface LoadTarget {
  natsUrls: readonly string[];
  namespace: string;
  /** Broadcast every advance, as an agent does that does not ask the holder first. */
  broadcastOnly?: boolean;
}

/** One measurement of advances. */
export interface LoadPoint {
  agents: number;
  /** Prefix of the ids of this measurement's instances and requests; never used twice. */
  prefix: string;
  warmUpMs: number;
  /** How long the measured loop runs before counting starts. */
  leadInMs: number;
  durationMs: number;
}

/** The jobs of the load generator's process. */
export type LoadJobs = {
  connect(input: LoadTarget): Promise<void>;
  /** Advances instances that were advanced before, so that their leases are held. */
  held(input: LoadPoint): Promise<LoopResult>;
  /** Advances, each of an instance that was only started. */
  fresh(input: LoadPoint): Promise<LoopResult>;
  /** Advances one instance for each agent at another target; nothing is prepared. */
  routed(input: LoadPoint & { target: LoadTarget }): Promise<LoopResult>;
  /** As `held`, but at a steady rate, with the messages that NATS carried meanwhile. */
  steady(input: SteadyPoint): Promise<SteadyResult>;
};

/** One measurement at a steady rate. */
export interface SteadyPoint extends Omit<LoadPoint, 'agents' | 'leadInMs'> {
  perS: number;
  /** The URL of NATS monitoring. */
  monitorUrl: string;
}

/** The result of a measurement at a steady rate. */
export interface SteadyResult extends OpenLoopResult {
  traffic: NatsTraffic;
}
