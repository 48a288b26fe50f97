import { Coordinator } from '../../../coordinator/coordinator.ts';
import type { CoordinatorOptions } from '../../../coordinator/coordinator-options.ts';
import { secretsKey } from '../../../coordinator/keys.ts';
import type { AcquireOutcome } from '../../../coordinator/leases.ts';
import type { Entry } from '../../../coordinator/store.ts';
import type { Holding } from '../../../src/lease/holding.ts';
import { simStore } from '../../simulation/lease-store.ts';
import { SimEtcd } from '../../simulation/sim-etcd.ts';
import type { SimStore } from '../../simulation/lease-store.ts';
import { HandClock } from './hand-clock.ts';

/** What a test does to one call: pass it on by `run`, or not. */
export type Fault = <T>(call: string, run: () => Promise<T>) => Promise<T>;

export const NAMESPACE = 'test';
export const TTL_S = 5;

/** One replica on the shared world, with a way to disturb its calls. */
export interface Replica {
  coordinator: Coordinator;
  store: SimStore;
  /** Takes the place of the fault under way; undefined: calls go through. */
  disturb: (fault: Fault | undefined) => void;
}

/** A world of one etcd and one clock. */
export function world(): {
  clock: HandClock;
  etcd: SimEtcd;
  /** Every key but that of the namespace's secrets, which outlives the replicas. */
  ownEntries: () => Entry[];
  replica: (id: string, options?: Partial<CoordinatorOptions>) => Replica;
  leading: (id: string, options?: Partial<CoordinatorOptions>) => Promise<Replica>;
} {
  const clock = new HandClock();
  const etcd = new SimEtcd(clock);
  const replica = (id: string, options: Partial<CoordinatorOptions> = {}): Replica => {
    let fault: Fault | undefined;
    const store = simStore(etcd, {
      around: (call, run) => (fault === undefined ? run() : fault(call, run)),
    });
    const coordinator = new Coordinator({
      store,
      clock,
      namespace: NAMESPACE,
      replicaId: id,
      name: id,
      pid: 1,
      httpUrl: `http://${id}`,
      ttlS: TTL_S,
      gate: () => Promise.resolve(undefined),
      idleReleaseMs: 600_000,
      maxHoldings: 1_000,
      ...options,
    });
    return { coordinator, store, disturb: (next) => (fault = next) };
  };
  return {
    clock,
    etcd,
    ownEntries: () => etcd.entries().filter(({ key }) => key !== secretsKey(NAMESPACE)),
    replica,
    async leading(id, options) {
      const made = replica(id, options);
      void made.coordinator.start();
      await clock.advance(1);
      const why = made.coordinator.notLeading();
      if (why !== undefined) throw new Error(`${id} does not lead: ${why}`);
      return made;
    },
  };
}

/** The holding, or an error that says what came instead. */
export function acquired(outcome: AcquireOutcome): Holding {
  if (outcome.kind !== 'acquired') throw new Error(`not acquired: ${JSON.stringify(outcome)}`);
  return outcome.holding;
}
