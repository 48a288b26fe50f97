import { randomInt } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';

import type { ChaosOptions } from '../../tools/chaos/options.ts';
import type { ChaosRecord } from '../../tools/chaos/record.ts';
import { ConfigError, readAgentConfig, readDatabaseConfig } from '../../src/config/config.ts';
import { errorText } from '../../src/error-text.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { environment, shared } from '../options.ts';
import type { SharedOptions } from '../options.ts';
import { LiveLine } from '../render/live-line.ts';
import { printJson } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

const LINE_EVERY_MS = 5_000;

/** `leasehold chaos`: breaks a stack on purpose, and says whether the guarantees held. */
export const addChaos: AddVerb = (parent, register) => {
  const command = shared(parent.command('chaos'), 'nats', 'database')
    .description('break a stack of its own on purpose, and say whether the guarantees held')
    .addOption(
      new Option('--duration <time>', 'how long to make faults')
        .argParser(durationFlag)
        .default(120_000, '2m'),
    )
    .option('--seed <n>', 'repeats a schedule of faults; default: any', seedFlag)
    .option('--faults <mix>', 'kinds and groups, such as all,-clock or sigkill=5,network', 'all')
    .option('--replicas <n>', 'how many replicas', countFlag, 3)
    .option('--agents <n>', 'how many agents work at once', countFlag, 32)
    .option('--instances <n>', 'how many instances are under way at once', countFlag, 64)
    .option('--lease-ttl <seconds>', 'how long a lease outlives its silent holder', countFlag, 2)
    .option('--out <dir>', 'where record.json, witness.jsonl, report.html and the logs go')
    .option('--report <file>', 'where the report goes; default: into --out')
    .option(
      '--faketime <file>',
      'the libfaketime that moves wall clocks; default: where the system has it',
    )
    .option(
      '--attach',
      'use the stack that the environment names, and only the faults that can be made there',
    )
    .option(
      '--replica-pid <pid...>',
      'with --attach: processes that may be killed and frozen',
      pidsFlag,
    );
  register(command, async (terminal, options) => {
    const { parseFaultMix } = await import('../../tools/chaos/fault-mix.ts');
    const mix = parseFaultMix(options['faults'] as string);
    if (!mix.ok) throw new ConfigError([`--faults: ${mix.problem}`]);
    return run(
      terminal,
      { ...readOptions(terminal, options), mix: mix.mix },
      options.json === true,
    );
  });
};

async function run(terminal: Terminal, options: ChaosOptions, json: boolean): Promise<number> {
  const [{ runChaos }, progress, summaries] = await Promise.all([
    import('../../tools/chaos/run.ts'),
    import('../../tools/chaos/progress.ts'),
    import('../../tools/chaos/summary.ts'),
  ]);
  const stop = new AbortController();
  const force = new AbortController();
  const line = new LiveLine(terminal, 'starting');
  const say = (text: string): void => (terminal.liveIsTty ? line.above(text) : terminal.err(text));
  const restore = terminal.onInterrupt(() => {
    if (!stop.signal.aborted) {
      say('stopping: no more faults, settling; once more to hurry');
      stop.abort();
    } else if (!force.signal.aborted) force.abort();
    // Watchdogs end what is left.
    else process.exit(EXIT.failure);
  });
  say(`seed ${options.seed}; everything goes to ${options.dir}`);
  let lineAt = 0;
  try {
    const record = await runChaos(options, {
      stop: stop.signal,
      force: force.signal,
      onEvent(event) {
        const spoken = event.kind !== 'tick' && event.kind !== 'note' && event.kind !== 'settling';
        if (json && spoken && event.kind !== 'checking') printJson(terminal, event);
        const live = progress.liveText(event);
        if (live !== undefined) {
          line.set(live);
          const due = event.kind === 'note' || performance.now() - lineAt > LINE_EVERY_MS;
          if (!terminal.liveIsTty && due) {
            lineAt = performance.now();
            terminal.err(live);
          }
        }
        const lasting = progress.lastingText(event);
        if (lasting !== undefined) say(lasting);
      },
    });
    line.stop();
    const files = await write(terminal, record, options);
    const summary = summaries.summaryOf(record, files);
    if (json) printJson(terminal, { kind: 'summary', ...summary });
    else for (const text of summaries.summaryLines(record, summary)) terminal.out(text);
    return record.verdict === 'breached' || record.verdict === 'stuck' ? EXIT.failure : EXIT.done;
  } catch (error) {
    line.stop();
    if (!(error instanceof Error) || error.name !== 'NoStack') throw error;
    if (json) printJson(terminal, { error: { code: 'unavailable', message: error.message } });
    terminal.err(`the stack could not be brought up: ${error.message}`);
    return EXIT.unavailable;
  } finally {
    line.stop();
    restore();
  }
}

/** The record first: whatever becomes of the report, it can be made again from it. */
async function write(terminal: Terminal, record: ChaosRecord, { dir, reportFile }: ChaosOptions) {
  const files = { record: join(dir, 'record.json'), witness: join(dir, 'witness.jsonl') };
  writeFileSync(files.record, `${JSON.stringify(record)}\n`);
  const report = reportFile ?? join(dir, 'report.html');
  try {
    const { renderReport } = await import('../../tools/chaos/report/report.ts');
    writeFileSync(report, renderReport(record));
    return { ...files, report };
  } catch (cause) {
    terminal.err(`warning: the report could not be written (${errorText(cause)})`);
    return { ...files, report: null };
  }
}

function readOptions(
  terminal: Terminal,
  flags: SharedOptions & Record<string, unknown>,
): Omit<ChaosOptions, 'mix'> {
  const env = environment(terminal.env, flags);
  const leaseTtlS = flags['leaseTtl'] as number;
  const replicas = flags['replicas'] as number;
  const problems = [
    leaseTtlS < 2 || leaseTtlS > 60 ? `--lease-ttl must be 2 to 60 seconds, not ${leaseTtlS}` : '',
    replicas > 9 ? `--replicas must be 9 at most, not ${replicas}` : '',
    flags['replicaPid'] !== undefined && flags['attach'] !== true
      ? '--replica-pid goes with --attach; without it the replicas are the run’s own'
      : '',
  ].filter((problem) => problem !== '');
  if (problems.length > 0) throw new ConfigError(problems);
  const out = flags['out'] as string | undefined;
  const report = flags['report'] as string | undefined;
  const attach =
    flags['attach'] === true
      ? {
          namespace: readAgentConfig(env).namespace,
          natsUrls: readAgentConfig(env).nats.servers,
          databaseUrl: readDatabaseConfig(env).databaseUrl,
          pids: (flags['replicaPid'] as number[] | undefined) ?? [],
        }
      : undefined;
  return {
    seed: (flags['seed'] as number | undefined) ?? randomInt(1, 1_000_000),
    durationMs: flags['duration'] as number,
    faults: flags['faults'] as string,
    agents: flags['agents'] as number,
    instances: flags['instances'] as number,
    faketimeLib: flags['faketime'] as string | undefined,
    dir: out === undefined ? mkdtempSync(join(tmpdir(), 'leasehold-chaos-')) : resolve(out),
    reportFile: report === undefined ? undefined : resolve(report),
    replicas,
    leaseTtlS,
    attach,
    env,
  };
}

function seedFlag(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 0 to 999999999.');
}

function pidsFlag(text: string, before: number[] = []): number[] {
  if (/^\d{1,9}$/.test(text) && Number(text) > 1) return [...before, Number(text)];
  throw new InvalidArgumentError('It must be a process id, such as 4711.');
}
