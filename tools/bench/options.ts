/** What can be measured. */
export const SCENARIOS = [
  'throughput',
  'fresh',
  'baselines',
  'acquisition',
  'memory',
  'failover',
  'rows',
  'replicas',
] as const;
/** See {@link SCENARIOS}. */
export type Scenario = (typeof SCENARIOS)[number];

/** The scenarios that a comparison of two builds can measure, and the subject of each. */
export const SUBJECT_OF = { throughput: 'held', fresh: 'fresh' } as const;
/** See {@link SUBJECT_OF}. */
export type ComparedScenario = keyof typeof SUBJECT_OF;

/** Whether a comparison of two builds can measure it. */
export function isCompared(scenario: Scenario): scenario is ComparedScenario {
  return Object.hasOwn(SUBJECT_OF, scenario);
}

/** The options of `leasehold bench`. */
export interface BenchOptions {
  scenarios: readonly Scenario[];
  /** Numbers of concurrent agents, ascending; throughput and latency are measured at each. */
  agents: readonly number[];
  /** How long each point is measured, without its warm-up; half of it in each direction. */
  durationMs: number;
  /** How many replicas serve, in scenarios that do not fix the number. */
  replicas: number;
  /** Isolated faults of each kind. */
  trials: number;
  /** Leases that one replica acquires and holds. */
  held: number;
  /** Rows of the filled log. */
  rows: number;
  /** The directory for bench.json, bench.html and the logs. */
  dir: string;
  env: NodeJS.ProcessEnv;
}

/** The sizes of a preset. Each can be overridden by its option. */
export type Sizes = Pick<BenchOptions, 'agents' | 'durationMs' | 'trials' | 'held' | 'rows'>;

const AGENTS = [1, 8, 32, 128, 512];

/**
 * About a quarter of an hour, about five minutes, and the sizes that the goals name: about an hour.
 */
export const SIZES: Readonly<Record<'usual' | 'quick' | 'full', Sizes>> = {
  usual: { agents: AGENTS, durationMs: 6_000, trials: 10, held: 100_000, rows: 1_000_000 },
  quick: { agents: [1, 32, 128], durationMs: 2_000, trials: 2, held: 10_000, rows: 100_000 },
  full: { agents: AGENTS, durationMs: 8_000, trials: 100, held: 100_000, rows: 10_000_000 },
};

/**
 * Reads a list of scenarios: `throughput,fresh`, or `all`.
 *
 * @returns undefined if one is unknown
 */
export function readScenarios(text: string): readonly Scenario[] | undefined {
  if (text === 'all') return SCENARIOS;
  const names = text.split(',').map((name) => name.trim());
  const known = SCENARIOS.filter((scenario) => names.includes(scenario));
  return names.every((name) => (SCENARIOS as readonly string[]).includes(name)) ? known : undefined;
}

/** The most agents: each agent of a baseline needs a connection to Postgres. */
export const MAX_AGENTS = 1_000;

/**
 * Reads numbers of agents: `1,8,32`.
 *
 * @returns ascending, without duplicates; undefined if one is not a whole number from 1 to
 *   {@link MAX_AGENTS}
 */
export function readAgents(text: string): readonly number[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  if (!parts.every((part) => /^\d{1,4}$/.test(part))) return undefined;
  const numbers = [...new Set(parts.map(Number))].sort((a, b) => a - b);
  return numbers.every((agents) => agents >= 1 && agents <= MAX_AGENTS) ? numbers : undefined;
}
