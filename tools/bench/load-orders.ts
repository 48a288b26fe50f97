import type { LoopResult } from './closed-loop.ts';
import type { NatsTraffic } from './nats-traffic.ts';
import type { OpenLoopResult } from './open-loop.ts';

/** Where requests go. */
export interface LoadTarget {
  natsUrls: readonly string[];
  namespace: string;
  /** Whether every advance is a broadcast, as from an agent that does not ask the holder first. */
  broadcastOnly?: boolean;
}

/** One measuring of advances. */
export interface LoadPoint {
  agents: number;
  /** In front of the ids of this measuring's instances and requests; never used twice. */
  prefix: string;
  warmUpMs: number;
  /** How long the loop that is measured runs before it is. */
  leadInMs: number;
  durationMs: number;
}

/** What the load's process does when it is told to. */
export type LoadOrders = {
  connect(given: LoadTarget): Promise<void>;
  /** Advances of instances that were advanced before, so that their leases are held. */
  held(given: LoadPoint): Promise<LoopResult>;
  /** Advances of an instance each that nobody has touched since it was started. */
  fresh(given: LoadPoint): Promise<LoopResult>;
  /** Advances of one instance for each agent, wherever they are answered: nothing is prepared. */
  routed(given: LoadPoint & { target: LoadTarget }): Promise<LoopResult>;
  /** As `held`, but at a steady rate, with what went through NATS meanwhile. */
  steady(given: SteadyPoint): Promise<SteadyResult>;
};

/** One measuring at a steady rate. */
export interface SteadyPoint extends Omit<LoadPoint, 'agents' | 'leadInMs'> {
  perS: number;
  /** NATS' monitoring. */
  monitorUrl: string;
}

/** What came of it. */
export interface SteadyResult extends OpenLoopResult {
  traffic: NatsTraffic;
}
