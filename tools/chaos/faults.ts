import type { Random } from './random.ts';

/** What a fault affects: a replica's process, a link, a server, what is said on the bus, or all. */
export type FaultTarget = 'replica' | 'link' | 'etcd' | 'nats' | 'postgres' | 'bus' | 'all';

/** The servers that a replica has a link to. */
export const LINKED_SERVERS = ['etcd', 'postgres', 'nats'] as const;
/** See {@link LINKED_SERVERS}. */
export type LinkedServer = (typeof LINKED_SERVERS)[number];

/** In which direction a link is silent. */
export type Silence = 'both' | 'to_server' | 'to_client';

/** Names that select several kinds in `--faults`. */
export const FAULT_GROUPS = [
  'process',
  'network',
  'etcd',
  'nats',
  'postgres',
  'clock',
  'bus',
  'site',
] as const;
/** See {@link FAULT_GROUPS}. */
export type FaultGroup = (typeof FAULT_GROUPS)[number];

/** One kind of fault. */
export interface FaultKind {
  kind: string;
  group: FaultGroup;
  target: FaultTarget;
  /** For links: the server at the other end. */
  server?: LinkedServer;
  /** How often it is drawn, relative to the others. */
  weight: number;
  /** How long it lasts; a kill lasts until the replacement is started. */
  durationMs: (random: Random, ttlMs: number) => number;
  /** The same for isolated faults: long enough for a failover to be seen. */
  isolatedMs: (random: Random, ttlMs: number) => number;
  /**
   * The promised time until an instance is served under a later term, in milliseconds: for an idle
   * instance, and for one with an open attempt. null where nothing is promised.
   */
  bound: (ttlMs: number) => { idle: number | null; open: number | null };
}

const between =
  (minMs: number, maxMs: number) =>
  (random: Random): number =>
    random.int(minMs, maxMs);
/** Longer than the lease by `minMs` to `maxMs`. */
const pastTtl =
  (minMs: number, maxMs: number) =>
  (random: Random, ttlMs: number): number =>
    ttlMs + random.int(minMs, maxMs);
const noBound = () => ({ idle: null, open: null });
const afterExpiry = (ttlMs: number) => ({ idle: ttlMs + 1_000, open: ttlMs + 1_000 });
/**
 * The holder does not answer pings, so an idle instance is taken over at once. With an attempt open
 * its lease must expire first.
 */
const afterSuspicion = (ttlMs: number) => ({ idle: 500, open: ttlMs + 1_000 });

const LINK_BOUNDS: Record<LinkedServer, FaultKind['bound']> = {
  etcd: afterExpiry,
  nats: () => ({ idle: 500, open: null }),
  postgres: () => ({ idle: 2_000, open: null }),
};

function linkKinds(server: LinkedServer): FaultKind[] {
  const common = { group: 'network', target: 'link', server } as const;
  const cut = { durationMs: between(500, 6_000), isolatedMs: pastTtl(2_000, 2_500) };
  return [
    { ...common, kind: `cut_${server}`, weight: 4, ...cut, bound: LINK_BOUNDS[server] },
    { ...common, kind: `cut_${server}_one_way`, weight: 4, ...cut, bound: LINK_BOUNDS[server] },
    { ...common, kind: `reset_${server}`, weight: 3, ...brief(), bound: noBound },
    { ...common, kind: `refuse_${server}`, weight: 2, ...cut, bound: LINK_BOUNDS[server] },
    { ...common, kind: `delay_${server}`, weight: 3, ...cut, bound: noBound },
  ];
}

function brief(): Pick<FaultKind, 'durationMs' | 'isolatedMs'> {
  return { durationMs: between(100, 500), isolatedMs: between(100, 500) };
}

/** A server that is briefly down. */
function outage(kind: string, target: 'nats' | 'postgres', weight: number): FaultKind {
  const downMs = between(200, 2_000);
  return {
    kind,
    group: target,
    target,
    weight,
    durationMs: downMs,
    isolatedMs: downMs,
    bound: noBound,
  };
}

const REPLICA_DOWN = { durationMs: between(300, 2_500), isolatedMs: pastTtl(1_500, 2_000) };

/** Every kind of fault. */
export const FAULT_KINDS: readonly FaultKind[] = [
  {
    kind: 'sigkill',
    group: 'process',
    target: 'replica',
    weight: 12,
    ...REPLICA_DOWN,
    bound: afterSuspicion,
  },
  {
    kind: 'sigterm',
    group: 'process',
    target: 'replica',
    weight: 6,
    ...REPLICA_DOWN,
    bound: () => ({ idle: 100, open: null }),
  },
  {
    kind: 'sigstop',
    group: 'process',
    target: 'replica',
    weight: 10,
    durationMs: pastTtl(300, 3_000),
    isolatedMs: pastTtl(1_500, 2_500),
    bound: afterExpiry,
  },
  {
    kind: 'rolling_restart',
    group: 'process',
    target: 'all',
    weight: 1,
    ...brief(),
    bound: noBound,
  },
  ...LINKED_SERVERS.flatMap(linkKinds),
  {
    kind: 'etcd_member_killed',
    group: 'etcd',
    target: 'etcd',
    weight: 3,
    durationMs: between(500, 4_000),
    isolatedMs: between(2_000, 4_000),
    bound: noBound,
  },
  {
    kind: 'etcd_leader_killed',
    group: 'etcd',
    target: 'etcd',
    weight: 3,
    durationMs: between(500, 4_000),
    isolatedMs: between(3_000, 4_000),
    bound: noBound,
  },
  {
    kind: 'etcd_down',
    group: 'etcd',
    target: 'etcd',
    weight: 1,
    durationMs: pastTtl(-1_000, 2_000),
    isolatedMs: pastTtl(0, 2_000),
    bound: noBound,
  },
  outage('nats_restarted', 'nats', 3),
  outage('nats_killed', 'nats', 2),
  outage('postgres_restarted', 'postgres', 3),
  outage('postgres_killed', 'postgres', 3),
  {
    kind: 'clock_jump',
    group: 'clock',
    target: 'replica',
    weight: 5,
    durationMs: between(1_500, 6_000),
    isolatedMs: between(1_500, 3_000),
    bound: noBound,
  },
  {
    kind: 'hostile_client',
    group: 'bus',
    target: 'bus',
    weight: 4,
    durationMs: between(1_000, 6_000),
    isolatedMs: between(2_000, 4_000),
    bound: noBound,
  },
  { kind: 'all_killed', group: 'site', target: 'all', weight: 1, ...brief(), bound: noBound },
];

/** @throws Error when no kind has this name */
export function faultKind(name: string): FaultKind {
  const found = FAULT_KINDS.find(({ kind }) => kind === name);
  if (found === undefined) throw new Error(`there is no fault ${name}`);
  return found;
}
