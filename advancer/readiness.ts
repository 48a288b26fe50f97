/** One of the things that a replica needs to serve. */
export interface ReadinessCheck {
  name: string;
  /** Why it is missing; undefined when it is there. */
  problem: string | undefined;
}

/** Something that a replica needs besides its servers. */
export interface Need {
  name: string;
  /** Why it is missing; undefined when it is there. */
  problem: () => string | undefined;
}

/** What readiness depends on, as the parts of a replica report it. */
export interface ReadinessState {
  draining: boolean;
  /** Whether NATS is connected. */
  connected: boolean;
  /** Why the log cannot be used. */
  logTrouble: string | undefined;
  /** Why there is no session in etcd. */
  notLeading: string | undefined;
  needs: readonly Need[];
}

/** Everything that a replica needs, in the order in which `/readyz` names it. */
export function readinessChecks(state: ReadinessState): ReadinessCheck[] {
  const { draining, connected, logTrouble, notLeading, needs } = state;
  return [
    { name: 'not draining', problem: draining ? 'draining' : undefined },
    { name: 'NATS', problem: connected ? undefined : 'NATS is not connected' },
    {
      name: 'Postgres',
      problem: logTrouble === undefined ? undefined : `Postgres: ${logTrouble}`,
    },
    { name: 'session in etcd', problem: notLeading },
    ...needs.map(({ name, problem }) => ({ name, problem: problem() })),
  ];
}
