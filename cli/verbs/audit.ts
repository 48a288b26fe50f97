import { InvalidArgumentError } from 'commander';

import type { AuditSummary } from '../../src/audit/audit.ts';
import type { Breach } from '../../src/audit/check.ts';
import type { Evidence, SeenEffect } from '../../src/audit/evidence.ts';
import type { ScheduleAudit, ScheduleBreach } from '../../src/audit/schedule-audit.ts';
import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag } from '../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS, environment } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb, Run } from '../verb.ts';

interface AuditOptions {
  instance?: string;
  since?: string;
  witness?: string;
  clockSkew?: number;
}

/** How many breaches are printed for people; `--json` prints all of them. */
const MAX_SHOWN = 1_000;

/** `leasehold audit` */
export const audit: DefineVerb = (command, register) => {
  addSharedOptions(command, DATABASE_OPTIONS, {
    namespace: 'fail unless the log is of this namespace (LEASEHOLD_NAMESPACE)',
  })
    .description(
      'Verify the log against the guarantees. Changes nothing; exits 1 if a guarantee is broken.',
    )
    .option('--instance <id>', 'only this instance', idFlag)
    .option(
      '--since <time>',
      "only instances with rows since then: an ISO 8601 time, or how long ago: 24h or '24h ago'",
      sinceFlag,
    )
    .option('--witness <file>', 'also check effects that were seen outside, one JSON per line')
    .option(
      '--clock-skew <duration>',
      "how far the witness's clock may be behind (default: 1s)",
      durationFlag,
    );
  register<AuditOptions>(command, runAudit);
};

const runAudit: Run<AuditOptions> = async (terminal, options) => {
  const { instance, since, witness: witnessFile, clockSkew = 1_000, json } = options;
  const env = environment(terminal.env, options);
  const { readDatabaseConfig } = await import('../../src/config/config.ts');
  const { databaseUrl, namespace } = readDatabaseConfig(env);
  const [{ AuditSource }, { Audit }, { ScheduleAudit }, { readWitness }, render] =
    await Promise.all([
      import('../../advancer/log/audit-source.ts'),
      import('../../src/audit/audit.ts'),
      import('../../src/audit/schedule-audit.ts'),
      import('../witness-file.ts'),
      import('../render/audit.ts'),
    ]);
  const witness = witnessFile === undefined ? undefined : await readWitness(witnessFile);
  const isWhole = instance === undefined && since === undefined;
  const startMs = performance.now();
  const source = await AuditSource.open(
    {
      url: databaseUrl,
      // A namespace that is given must match; otherwise the database says which it is.
      namespace: (env['LEASEHOLD_NAMESPACE'] ?? '') === '' ? undefined : namespace,
    },
    { instanceId: instance, since },
  );
  const progress = new render.AuditProgress(terminal, isWhole ? source.frame.instances : undefined);
  const run = new Audit();
  const ofSchedules = new ScheduleAudit();
  const shown: (Breach | ScheduleBreach)[] = [];
  let found = 0;
  const report = (breach: Breach | ScheduleBreach): void => {
    found += 1;
    if (json === true) printJson(terminal, breach);
    else if (shown.length < MAX_SHOWN) shown.push(breach);
  };
  const look = (evidence: Evidence): void => {
    for (const breach of run.look(withWitness(evidence, witness, clockSkew))) report(breach);
  };
  try {
    let instances = 0;
    let rows = 0;
    for await (const page of source.pages()) {
      for (const evidence of page) {
        look(evidence);
        rows += evidence.rows.length;
      }
      instances += page.length;
      progress.at(instances, rows, found);
    }
    if (instance === undefined) {
      for await (const schedule of source.schedules())
        for (const breach of ofSchedules.look(schedule)) report(breach);
    }
    // What is left was seen of instances that the log does not have.
    if (isWhole) for (const instanceId of witness?.keys() ?? []) look(emptyEvidence(instanceId));
  } finally {
    progress.stop();
    await source.close();
  }
  const summary = withSchedules(run.summary(), ofSchedules);
  const { frame } = source;
  if (json === true) {
    printJson(terminal, { summary: { namespace: frame.namespace, at: frame.now, ...summary } });
  } else {
    terminal.out(render.checksTable(summary.checks, terminal));
    if (shown.length > 0) terminal.out(['', ...shown.map(render.breachText)].join('\n'));
    if (found > shown.length)
      terminal.out(`… and ${found - shown.length} more; --json prints all of them`);
    terminal.out('');
    terminal.out(render.summaryText(summary, performance.now() - startMs));
    if (instance !== undefined && summary.rows === 0)
      terminal.err(`${instance} has no rows in the log`);
  }
  return summary.breaches === 0 ? EXIT.done : EXIT.failure;
};

/** The totals with those of the schedules. */
function withSchedules(
  summary: AuditSummary,
  { counts, schedules }: ScheduleAudit,
): AuditSummary & { schedules: number } {
  const breaches = counts.reduce((sum, count) => sum + count.breaches, summary.breaches);
  return { ...summary, breaches, schedules, checks: [...summary.checks, ...counts] };
}

/** The evidence with what the witness saw of this instance, which is taken out of the map. */
function withWitness(
  evidence: Evidence,
  witness: Map<string, SeenEffect[]> | undefined,
  witnessSkewMs: number,
): Evidence {
  if (witness === undefined) return evidence;
  const seen = witness.get(evidence.instanceId) ?? [];
  witness.delete(evidence.instanceId);
  return { ...evidence, witness: seen, witnessSkewMs };
}

function emptyEvidence(instanceId: string): Evidence {
  return {
    instanceId,
    instance: undefined,
    runbook: undefined,
    rows: [],
    receipts: [],
    lateOutcomes: [],
    refusals: [],
  };
}

const AGO_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads an ISO 8601 time, or how long ago it was. */
function sinceFlag(text: string): string {
  const ago = /^\s*(\d{1,9}) ?([smhd])(?: +ago)?\s*$/.exec(text);
  const ms = ago === null ? undefined : Number(ago[1]) * AGO_MS[ago[2] as keyof typeof AGO_MS];
  const isTime = ms !== undefined || /^\d{4}-\d{2}-\d{2}/.test(text);
  const time = new Date(isTime ? (ms === undefined ? text : Date.now() - ms) : Number.NaN);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError(
    'It must be a time such as 2030-01-31T12:00:00Z, or how long ago: 24h, 7d or "24h ago".',
  );
}
