import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import { InvalidArgumentError } from 'commander';

import type { Breach } from '../../src/audit/check.ts';
import type { Evidence, SeenEffect } from '../../src/audit/evidence.ts';
import { readDatabaseConfig } from '../../src/config/config.ts';
import { ConfigError } from '../../src/config/env-reader.ts';
import { parseDurationMs } from '../../src/time/duration.ts';
import { errorText } from '../../src/error-text.ts';
import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag } from '../flags.ts';
import { environment, shared } from '../options.ts';
import { AuditProgress, breachText, checksTable, summaryText } from '../render/audit.ts';
import { printJson } from '../verb.ts';
import type { AddVerb, Run } from '../verb.ts';

interface AuditFlags {
  instance?: string;
  since?: string;
  witness?: string;
  clockSkew: number;
}

/** A person reads so many; a program reads all, with `--json`. */
const MOST_SHOWN = 1_000;

/** `leasehold audit`: the log held against the guarantees, read only. */
export const addAudit: AddVerb = (parent, register) => {
  const command = shared(parent.command('audit'), 'database')
    .description('hold the log against the guarantees, read only; exit code 1 if one is broken')
    .option('--instance <id>', 'only this instance', idFlag)
    .option(
      '--since <time>',
      'only instances with anything recorded since then: ISO 8601, or 24h ago',
      sinceFlag,
    )
    .option('--witness <file>', 'JSON lines of effects that were seen outside, to check them too')
    .option(
      '--clock-skew <duration>',
      "how far the witness's clock may be behind",
      durationFlag,
      1_000,
    );
  register(command, audit);
};

const audit: Run = async (terminal, options) => {
  const flags = options as unknown as AuditFlags;
  const env = environment(terminal.env, options);
  const { databaseUrl, namespace } = readDatabaseConfig(env);
  const [{ AuditSource }, { Audit }, witness] = await Promise.all([
    import('../../advancer/log/audit-source.ts'),
    import('../../src/audit/audit.ts'),
    flags.witness === undefined ? undefined : readWitness(flags.witness),
  ]);
  const scope = { instanceId: flags.instance, since: flags.since };
  const whole = flags.instance === undefined && flags.since === undefined;
  const startMs = performance.now();
  const source = await AuditSource.open(
    // Whoever names a namespace means it; otherwise the database says which it is.
    {
      url: databaseUrl,
      namespace: (env['LEASEHOLD_NAMESPACE'] ?? '') === '' ? undefined : namespace,
    },
    scope,
  );
  const progress = new AuditProgress(terminal, whole ? source.frame.instances : undefined);
  const run = new Audit();
  const shown: Breach[] = [];
  let found = 0;
  const look = (evidence: Evidence): void => {
    for (const breach of run.look(withWitness(evidence, witness, flags.clockSkew))) {
      found += 1;
      if (options.json === true) printJson(terminal, breach);
      else if (shown.length < MOST_SHOWN) shown.push(breach);
    }
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
    // What the witness saw of instances that the log has never heard of.
    if (whole) for (const instanceId of witness?.keys() ?? []) look(nothingOf(instanceId));
  } finally {
    progress.stop();
    await source.close();
  }
  const summary = run.summary();
  const { frame } = source;
  if (options.json === true) {
    printJson(terminal, { summary: { namespace: frame.namespace, at: frame.now, ...summary } });
  } else {
    terminal.out(checksTable(summary.checks, terminal));
    if (shown.length > 0) terminal.out(['', ...shown.map(breachText)].join('\n'));
    if (found > shown.length)
      terminal.out(`… and ${found - shown.length} more: --json prints them all`);
    terminal.out('');
    terminal.out(summaryText(summary, performance.now() - startMs));
    if (flags.instance !== undefined && summary.rows === 0)
      terminal.err(`${flags.instance} has no rows in the log`);
  }
  return summary.breaches === 0 ? EXIT.done : EXIT.failure;
};

/**
 * The evidence with what the witness saw of it; what is left in the map afterwards was of no
 * instance.
 */
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

function nothingOf(instanceId: string): Evidence {
  const nothing = { rows: [], receipts: [], lateOutcomes: [], refusals: [] };
  return { instanceId, instance: undefined, runbook: undefined, ...nothing };
}

/** The effects by instance. They are held in memory, a few hundred bytes each. */
async function readWitness(path: string): Promise<Map<string, SeenEffect[]>> {
  const { readWitnessLine } = await import('../../src/audit/witness-line.ts');
  const seen = new Map<string, SeenEffect[]>();
  let at = 0;
  try {
    for await (const line of createInterface({
      input: createReadStream(path),
      crlfDelay: Infinity,
    })) {
      at += 1;
      if (line.trim() === '') continue;
      const read = readWitnessLine(line);
      if (!read.ok) throw new ConfigError([`--witness ${path}: line ${at}: ${read.fault}`]);
      const { effect } = read;
      const effects = seen.get(effect.instanceId);
      if (effects === undefined) seen.set(effect.instanceId, [effect]);
      else effects.push(effect);
    }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const why = errorText(cause);
    throw new ConfigError([`--witness ${path} cannot be read (${why})`]);
  }
  return seen;
}

/** A time, or how long ago it was. */
function sinceFlag(text: string): string {
  const agoMs = parseDurationMs(text);
  if (agoMs !== undefined) return new Date(Date.now() - agoMs).toISOString();
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (!Number.isNaN(time.getTime())) return time.toISOString();
  throw new InvalidArgumentError(
    'It must be a time such as 2030-01-31T12:00:00Z, or how long ago: 24h.',
  );
}
