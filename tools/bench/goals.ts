import type { Part } from './figure.ts';

/** What a value, or its ratio to another figure, should reach. */
export type Goal = {
  part: Part;
  subject: string;
  /** The parameters that it applies to. */
  when: (at: Readonly<Record<string, number>>) => boolean;
  value: string;
  /** Default: the goal is for the value itself. */
  ratio?: string;
  text: string;
} & ({ atLeast: number; atMost?: never } | { atLeast?: never; atMost: number });

const always = (): boolean => true;

function agents(test: (count: number) => boolean): Goal['when'] {
  return (at) => at['agents'] !== undefined && test(at['agents']);
}

/**
 * The product's documented goals. They are shown next to the figures and never fail a run: a figure
 * that misses its goal on a busy machine is still a valid figure.
 */
export const GOALS: readonly Goal[] = [
  {
    part: 'load',
    subject: 'held',
    when: agents((count) => count === 128),
    value: 'perS',
    ratio: 'bestFloor',
    text: '1.3 to 1.9 × the best floor',
    atLeast: 1.3,
  },
  {
    part: 'load',
    subject: 'fresh',
    when: agents((count) => count === 128),
    value: 'perS',
    ratio: 'bestFloor',
    text: '1.0 to 1.7 × the best floor',
    atLeast: 1,
  },
  {
    part: 'load',
    subject: 'held',
    when: agents((count) => count >= 128),
    value: 'perS',
    ratio: 'advisoryLock',
    text: '≥ 2 × advisory lock',
    atLeast: 2,
  },
  {
    part: 'load',
    subject: 'held',
    when: agents((count) => count >= 128),
    value: 'perS',
    ratio: 'reservation',
    text: '≥ 2 × reservation',
    atLeast: 2,
  },
  {
    part: 'load',
    subject: 'held',
    when: agents((count) => count >= 8 && count < 128),
    value: 'perS',
    ratio: 'reservation',
    text: '> reservation',
    atLeast: 1,
  },
  {
    part: 'load',
    subject: 'held',
    when: agents((count) => count === 1),
    value: 'p50Ms',
    ratio: 'floor',
    text: 'p50 ≤ 2 × floor',
    atMost: 2,
  },
  {
    part: 'acquisition',
    subject: 'acquire',
    when: (at) => at['atOnce'] === 512,
    value: 'perS',
    text: '≥ 15,000/s',
    atLeast: 15_000,
  },
  {
    part: 'memory',
    subject: 'held',
    when: always,
    value: 'perHoldingBytes',
    text: '< 2 KiB',
    atMost: 2_048,
  },
  {
    part: 'memory',
    subject: 'keep_alive',
    when: always,
    value: 'growth',
    text: 'unchanged',
    atMost: 1.25,
  },
  {
    part: 'failover',
    subject: 'sigterm',
    when: always,
    value: 'worstMs',
    text: '< 100 ms',
    atMost: 100,
  },
  {
    part: 'failover',
    subject: 'sigkill_idle',
    when: always,
    value: 'worstMs',
    text: '< 500 ms',
    atMost: 500,
  },
  ...['sigkill_hold', 'sigstop_hold'].map((subject): Goal => ({
    part: 'failover',
    subject,
    when: always,
    value: 'worstMs',
    text: '< 3 s (TTL + 1 s)',
    atMost: 3_000,
  })),
  {
    part: 'rows',
    subject: 'filled_log',
    when: always,
    value: 'perS',
    ratio: 'emptyLog',
    text: 'within 20 % of an empty log',
    atLeast: 0.8,
  },
  ...['status', 'list', 'sweep'].map((subject): Goal => ({
    part: 'rows',
    subject,
    when: always,
    value: 'worstMs',
    text: '< 50 ms',
    atMost: 50,
  })),
  {
    part: 'replicas',
    subject: 'eight_replicas',
    when: (at) => at['requestsPerS'] !== undefined,
    value: 'p99Ms',
    ratio: 'oneReplica',
    text: 'p99 ≤ 2 × one replica',
    atMost: 2,
  },
];
