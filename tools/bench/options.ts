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

/** What `leasehold bench` was asked for. */
export interface BenchOptions {
  scenarios: readonly Scenario[];
  /** How many agents ask at once, ascending: a point of throughput and latency each. */
  agents: readonly number[];
  /** Of each measuring point, without its warm-up; half of it each way through the points. */
  durationMs: number;
  /** How many replicas serve, where a scenario does not say it itself. */
  replicas: number;
  /** Isolated faults of each kind. */
  trials: number;
  /** Leases that one replica acquires and holds. */
  held: number;
  /** Rows of the filled log. */
  rows: number;
  /** Where bench.json, bench.html and the logs go. */
  dir: string;
  env: NodeJS.ProcessEnv;
}

/** The sizes that go together, each of which a flag of its own overrides. */
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
 * @returns undefined for a word that is none
 */
export function readScenarios(text: string): readonly Scenario[] | undefined {
  if (text === 'all') return SCENARIOS;
  const words = text.split(',').map((word) => word.trim());
  const known = SCENARIOS.filter((scenario) => words.includes(scenario));
  return words.every((word) => (SCENARIOS as readonly string[]).includes(word)) ? known : undefined;
}

/** Where clients of a point must fit in: each baseline's agent has a connection of its own. */
export const MAX_AGENTS = 1_000;

/**
 * Reads numbers of agents: `1,8,32`.
 *
 * @returns ascending and once each; undefined when one is no whole number from 1 to {@link
 *   MAX_AGENTS}
 */
export function readAgents(text: string): readonly number[] | undefined {
  const words = text.split(',').map((word) => word.trim());
  if (!words.every((word) => /^\d{1,4}$/.test(word))) return undefined;
  const numbers = [...new Set(words.map(Number))].sort((a, b) => a - b);
  return numbers.every((agents) => agents >= 1 && agents <= MAX_AGENTS) ? numbers : undefined;
}
