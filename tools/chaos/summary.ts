import type { ChaosRecord, Failover } from './record.ts';

/** The failovers of one kind of fault, separately for idle instances and open attempts. */
export interface FailoverFigures {
  kind: string;
  attemptOpen: boolean;
  count: number;
  medianMs: number;
  maxMs: number;
  boundMs: number | null;
  /** How many took longer than the bound. */
  over: number;
}

/** The last line of `--json`. */
export interface ChaosSummary {
  verdict: ChaosRecord['verdict'];
  seed: number;
  command: string;
  durationMs: number;
  faults: { made: number; skipped: number; byKind: { [kind: string]: number } };
  counts: ChaosRecord['counts'];
  latencies: NonNullable<ChaosRecord['latencies']>;
  hostile: ChaosRecord['hostile'];
  failovers: FailoverFigures[];
  breaches: number;
  warnings: number;
  files: { record: string; witness: string; report: string | null };
}

const BREACHES_SHOWN = 20;

/** A run's key numbers. */
export function summaryOf(record: ChaosRecord, files: ChaosSummary['files']): ChaosSummary {
  const made = record.faults.filter(({ skipped }) => skipped === undefined);
  const byKind: { [kind: string]: number } = {};
  for (const { kind } of made) byKind[kind] = (byKind[kind] ?? 0) + 1;
  const { verdict, seed, command, durationMs, counts, breaches, warnings } = record;
  const { latencies = {}, hostile } = record;
  return {
    verdict,
    seed,
    command,
    durationMs,
    faults: { made: made.length, skipped: record.faults.length - made.length, byKind },
    counts,
    latencies,
    hostile,
    failovers: failoverFigures(record.failovers),
    breaches: breaches.length,
    warnings: warnings?.length ?? 0,
    files,
  };
}

/** Figures by kind of fault, in the order in which the kinds first occurred. */
function failoverFigures(failovers: readonly Failover[]): FailoverFigures[] {
  const groups = new Map<string, Failover[]>();
  for (const failover of failovers) {
    const key = `${failover.kind} ${failover.attemptOpen}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [failover]);
    else group.push(failover);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { kind, attemptOpen, boundMs } = first;
    const times = group.map(({ ms }) => ms).sort((a, b) => a - b);
    const over = boundMs === null ? 0 : times.filter((ms) => ms > boundMs).length;
    const medianMs = times[Math.floor((times.length - 1) / 2)] ?? 0;
    return [
      { kind, attemptOpen, count: group.length, medianMs, maxMs: times.at(-1) ?? 0, boundMs, over },
    ];
  });
}

/** The lines that end a run, for people. */
export function summaryLines(record: ChaosRecord, summary: ChaosSummary): string[] {
  const { counts, faults, files } = summary;
  const { instances, rows, effects, requests, acknowledged, unanswered } = counts;
  const lines = [
    '',
    headline(record),
    `  ${faults.made} faults made, ${faults.skipped} skipped; ` +
      `${instances} instances, ${rows} rows, ${effects} effects witnessed`,
    `  ${requests} requests: ${acknowledged} acknowledged, ${unanswered} never answered; ` +
      `${counts.decisions} decisions, ${counts.cancels ?? 0} cancels`,
    ...latencyLines(record),
    ...hostileLines(record),
    ...searchedLines(record),
  ];
  for (const { check, instanceId, seqs, what } of record.breaches.slice(0, BREACHES_SHOWN)) {
    const where = seqs.length > 0 ? `${instanceId} seq ${seqs.join(', ')}` : instanceId;
    lines.push(`  BREACH ${check}, ${where}: ${what}`);
  }
  const left = record.breaches.length - BREACHES_SHOWN;
  if (left > 0) lines.push(`  and ${left} more breaches; see the record`);
  if (summary.failovers.length > 0)
    lines.push(
      '',
      '  failover times, from the fault to the first row or receipt under a later term:',
    );
  lines.push(...summary.failovers.map(failoverLine));
  lines.push('', `  record   ${files.record}`, `  witness  ${files.witness}`);
  if (files.report !== null) lines.push(`  report   ${files.report}`);
  lines.push(`  repeat   ${summary.command}`);
  return lines;
}

function latencyLines({ latencies = {} }: ChaosRecord): string[] {
  return Object.entries(latencies).map(
    ([verb, { count, p50Ms, p99Ms, maxMs }]) =>
      `  ${verb} answered in ${p50Ms} ms (median), ${p99Ms} ms (p99), ${maxMs} ms (longest) of ${count}`,
  );
}

function hostileLines({ hostile }: ChaosRecord): string[] {
  if (hostile === undefined) return [];
  const { sent, unsent, refused, heard } = hostile;
  return [
    `  hostile clients sent ${sent} messages (${refused} refused by the server, ${unsent} not ` +
      `sent) and heard ${heard}`,
  ];
}

function searchedLines({ searched }: ChaosRecord): string[] {
  if (searched === undefined) return [];
  const places = Object.values(searched);
  const characters = places.reduce((sum, count) => sum + count, 0);
  return [
    `  ${characters} characters in ${places.length} places searched for the secret that effects print`,
  ];
}

function failoverLine(figures: FailoverFigures): string {
  const { kind, attemptOpen, count, medianMs, maxMs, boundMs, over } = figures;
  const what = `${kind}${attemptOpen ? ', attempt open' : ''}`.padEnd(36);
  const times = `median ${medianMs} ms, longest ${maxMs} ms`;
  const missed = over === 0 ? '' : `, missed ${over === 1 ? 'once' : `${over} times`}`;
  const bound = boundMs === null ? '' : `  bound ${boundMs} ms${missed}`;
  return `    ${what} ${String(count).padStart(3)} ×  ${times}${bound}`;
}

function headline({ verdict, breaches, counts }: ChaosRecord): string {
  switch (verdict) {
    case 'passed':
      return 'PASSED: every guarantee held, and every instance ended';
    case 'breached': {
      const { length } = breaches;
      return `BREACHED: ${length} ${length === 1 ? 'breach' : 'breaches'} of the guarantees`;
    }
    case 'stuck':
      return `STUCK: ${counts.stuck} ${counts.stuck === 1 ? 'instance' : 'instances'} did not end`;
    case 'broken_off':
      return 'BROKEN OFF: the run ended early, with no breach until then';
  }
}
