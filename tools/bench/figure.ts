/** The parts of a run that figures are shown by. */
export const PARTS = ['load', 'acquisition', 'memory', 'failover', 'rows', 'replicas'] as const;
/** See {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** What was measured of one subject under some circumstances. */
export interface Figure {
  part: Part;
  /** What was measured, such as `held` or `floor`. */
  subject: string;
  /** The circumstances: `{agents: 128}`. */
  at: Readonly<Record<string, number>>;
  /**
   * The numbers, each with its unit last in its name: `PerS`, `Ms`, `S`, `Bytes`, or none for a
   * count.
   */
  values: Readonly<Record<string, number>>;
}

/** Throughput and latency of one measuring point. */
export interface LoadValues extends Record<string, number> {
  perS: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  operations: number;
  measuredS: number;
}

/** A figure set against others of the same run, and against its goals. */
export interface JudgedFigure extends Figure {
  /** By value and by what it is compared with: `{perS: {floor: 0.9, bestFloor: 0.8}}`. */
  ratios: Readonly<Record<string, Readonly<Record<string, number>>>>;
  goals: readonly JudgedGoal[];
}

/** What a figure is meant to reach, and whether it did. */
export interface JudgedGoal {
  /** Of which value, or of which ratio: `perS/bestFloor`. */
  of: string;
  text: string;
  met: boolean;
}

/** The subject that everything is a ratio to. */
export const FLOOR = 'floor';
