/*
 * The words for what instances and cells are doing. They stand alone, so that a program that reads
 * replies needs none of the rules behind them.
 */

/** What an instance is doing, derived from its log (and, for a wait, from claim and clock). */
export const INSTANCE_STATUSES = [
  'ready',
  'running',
  'parked',
  'in_doubt',
  'halted',
  'completed',
  'cancelled',
] as const;
/** See {@link INSTANCE_STATUSES}. */
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];

/**
 * What a cell is doing. `awaiting` is for a claim, `waiting` for time to pass or for the instances
 * that the cell started. `text` is a prose cell, which does nothing.
 */
export const CELL_STATES = [
  'pending',
  'running',
  'awaiting',
  'waiting',
  'satisfied',
  'undone',
  'skipped',
  'failed',
  'refuted',
  'in_doubt',
  'text',
] as const;
/** See {@link CELL_STATES}. */
export type CellState = (typeof CELL_STATES)[number];
