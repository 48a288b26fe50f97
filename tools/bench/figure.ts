/** The parts of a run; figures are grouped by them. */
export const PARTS = ['load', 'acquisition', 'memory', 'failover', 'rows', 'replicas'] as const;
/** See {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** What was measured of one subject with some parameters. */
export interface Figure {
  part: Part;
  /** What was measured, such as `held` or `floor`. */
  subject: string;
  /** The parameters: `{agents: 128}`. */
  at: Readonly<Record<string, number>>;
  /**
   * The measured numbers. Each name ends with the unit: `PerS`, `Ms`, `S`, `Bytes`, or nothing for
   * a count.
   */
  values: Readonly<Record<string, number>>;
}

/** Throughput and latency at one point. */
export interface LoadValues extends Record<string, number> {
  perS: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  operations: number;
  measuredS: number;
}

/** A figure with its ratios to others of the same run, and its goals. */
export interface EvaluatedFigure extends Figure {
  /** By value, then by what the value is compared with: `{perS: {floor: 0.9, bestFloor: 0.8}}`. */
  ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
  goals: readonly EvaluatedGoal[];
}

/** A figure's goal, and whether it was met. */
export interface EvaluatedGoal {
  /** The value, or the ratio, that the goal is for: `perS/bestFloor`. */
  of: string;
  text: string;
  met: boolean;
}

/** The subject that all others are compared with. */
export const FLOOR = 'floor';
