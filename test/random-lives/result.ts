import type { Finding } from './checker.ts';
import type { Evidence } from './evidence.ts';
import type { Breach } from './rules.ts';

/** What a run found. */
export interface LivesResult {
  lives: number;
  children: number;
  effects: number;
  rows: number;
  tookMs: number;
  breaches: Breach[];
  /** What is known of each instance with a breach. */
  offenders: Evidence[];
  /** How often each thing was seen. */
  seen: Map<string, number>;
  faults: Record<string, number>;
  /** How many characters were searched for the secret, by place. */
  searched: ReadonlyMap<string, number>;
  /** Replicas that ended although nobody wanted it. */
  lostReplicas: string[];
}

/** Adds what was found of one instance. */
export function addFinding(result: LivesResult, finding: Finding, evidence: Evidence): void {
  result.effects += evidence.arrivals.length;
  result.rows += evidence.rows.length;
  result.breaches.push(...finding.breaches);
  if (finding.breaches.length > 0) result.offenders.push(evidence);
  for (const what of finding.seen) result.seen.set(what, (result.seen.get(what) ?? 0) + 1);
}

/** Why a run does not pass; empty if it does. */
export function problemsOf({ breaches, lostReplicas }: LivesResult): string[] {
  return [
    ...breaches.map(({ rule, instanceId, what }) => `${instanceId}: ${rule}: ${what}`),
    ...lostReplicas.map((replica) => `a replica ended by itself: ${replica}`),
  ];
}

/** The counts of a run, for people. */
export function summaryOf(result: LivesResult): string {
  const { lives, children, effects, rows, tookMs, seen, faults, searched, breaches } = result;
  const counted = (counts: Iterable<readonly [string, number]>): string[] =>
    [...counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([what, count]) => `  ${what.padEnd(52)}${String(count).padStart(10)}`);
  return [
    `${lives} lives and ${children} children, ${effects} effects, ${rows} rows, ` +
      `${(tookMs / 1_000).toFixed(0)} s`,
    'seen:',
    ...counted(seen),
    'faults:',
    ...counted(Object.entries(faults)),
    'searched for the secret, in characters:',
    ...counted(searched),
    `breaches: ${breaches.length}`,
  ].join('\n');
}

/** Everything about an instance with a breach: its plan, what was seen and told, and its log. */
export function offenderText({ life, arrivals, rows, told, claims, status }: Evidence): string {
  const line = (value: object): string => `    ${JSON.stringify(value)}`;
  return [
    `${life.instanceId} (status ${status ?? 'unknown'})`,
    '  planned:',
    line(life),
    '  witnessed:',
    ...arrivals.map(line),
    '  recorded:',
    ...rows.map(line),
    ...claims.map(line),
    '  told:',
    ...told.map(line),
  ].join('\n');
}
