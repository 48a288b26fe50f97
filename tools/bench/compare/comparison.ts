import type { ComparedScenario, SUBJECT_OF } from '../options.ts';
import { summarizeRatios } from './paired-ratios.ts';
import type { RatioSummary } from './paired-ratios.ts';

/**
 * What is measured in each round: the other build (`before`), this build (`after`), and this build
 * a second time (`again`), as replicas and a database that share nothing with the first.
 */
export const SIDES = ['before', 'after', 'again'] as const;
/** See {@link SIDES}. */
export type Side = (typeof SIDES)[number];

/**
 * The values that are compared. `cpuUs` is the replicas' processor time for each request; noise
 * disturbs it far less than the others, because time in which a process waits for a processor does
 * not count.
 */
export const COMPARED = ['perS', 'cpuUs', 'p50Ms', 'p99Ms'] as const;
/** See {@link COMPARED}. */
export type Compared = (typeof COMPARED)[number];

/** What the sides are compared on: instances held already, or a fresh one for each request. */
export type ComparedSubject = (typeof SUBJECT_OF)[ComparedScenario];

/** One side's figures on one subject at one number of agents in one round. */
export type SideValues = Readonly<Record<Compared, number>>;

/** All sides on one subject at one number of agents, measured one right after another. */
export interface Round {
  /** From 1. */
  round: number;
  subject: ComparedSubject;
  agents: number;
  values: Readonly<Record<Side, SideValues>>;
}

/** One value on one subject at one number of agents over all rounds. */
export interface ComparedValue {
  subject: ComparedSubject;
  agents: number;
  value: Compared;
  /** This build to the other. */
  afterToBefore: RatioSummary;
  /** This build to itself: the noise that `afterToBefore` must exceed to mean anything. */
  sameToSame: RatioSummary;
}

/**
 * Every order of the three sides, one for each round in turn. No side is measured twice in a row,
 * not even across two rounds: its second time would find processors and caches warm.
 */
const ORDERS: readonly (readonly Side[])[] = [
  ['before', 'after', 'again'],
  ['after', 'again', 'before'],
  ['again', 'before', 'after'],
  ['again', 'after', 'before'],
  ['after', 'before', 'again'],
  ['before', 'again', 'after'],
];

/**
 * The order of one round. Over six rounds each side has each position twice, so that neither the
 * position nor a machine that gets slower or faster favours a side.
 *
 * @param round from 1
 */
export function orderOf(round: number): readonly Side[] {
  const order = ORDERS[(round - 1) % ORDERS.length];
  if (order === undefined) throw new RangeError(`rounds count from 1: ${round}`);
  return order;
}

/** Compares the sides round by round: first the ratio of each round, then the median of ratios. */
export function compareRounds(rounds: readonly Round[]): ComparedValue[] {
  const points = new Map(
    rounds.map(({ subject, agents }) => [`${subject} ${agents}`, { subject, agents }]),
  );
  return [...points.values()].flatMap(({ subject, agents }) => {
    const own = rounds.filter((round) => round.subject === subject && round.agents === agents);
    return COMPARED.map((value): ComparedValue => {
      const ratiosOf = (of: Side, to: Side): RatioSummary =>
        summarizeRatios(own.map(({ values }) => values[of][value] / values[to][value]));
      return {
        subject,
        agents,
        value,
        afterToBefore: ratiosOf('after', 'before'),
        sameToSame: ratiosOf('again', 'after'),
      };
    });
  });
}
