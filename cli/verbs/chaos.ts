import { randomInt } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';

import type { AttachTo, ChaosOptions } from '../../tools/chaos/options.ts';
import type { ChaosRecord } from '../../tools/chaos/record.ts';
import { HOSTILE_RATE } from '../../tools/chaos/hostile/rate.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import type { Environment } from '../../src/config/env-reader.ts';
import { errorText } from '../../src/error-text.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag } from '../flags.ts';
import { outputDir, outputFile } from '../output-dir.ts';
import { addSharedOptions, environment } from '../shared-options.ts';
import type { SharedOptions } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';

/** Events that `--json` does not print: they only show that something goes on. */
const UNPRINTED: ReadonlySet<string> = new Set(['tick', 'note', 'settling', 'checking']);

interface ChaosVerbOptions {
  duration: number;
  seed?: number;
  faults: string;
  replicas: number;
  agents: number;
  instances: number;
  hostile?: number | true;
  leaseTtl: number;
  out?: string;
  report?: string;
  faketime?: string;
  attach?: boolean;
  replicaPid?: number[];
}

const ATTACHED = 'With a stack that already runs:';

/** `leasehold chaos` */
export const chaos: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json'])
    .description(
      'Inject faults into a stack of servers and replicas that it starts itself, and check that ' +
        'the guarantees hold. Exits 1 if one is broken.',
    )
    .addOption(
      new Option('--duration <time>', 'how long to inject faults')
        .argParser(durationFlag)
        .default(120_000, '2m'),
    )
    .option('--seed <n>', 'repeat the schedule of faults of this seed (default: random)', seedFlag)
    .option('--faults <mix>', 'kinds and groups, such as all,-clock or sigkill=5,network', 'all')
    .option('--replicas <n>', 'how many replicas to run', countFlag, 3)
    .option('--agents <n>', 'how many agents work at the same time', countFlag, 32)
    .option('--instances <n>', 'how many instances run at the same time', countFlag, 64)
    .option(
      '--hostile [rate]',
      `a hostile client on the bus throughout, at this many messages a second (${HOSTILE_RATE})`,
      countFlag,
    )
    .option('--lease-ttl <seconds>', 'how long a lease outlives a dead holder', countFlag, 2)
    .option(
      '--out <dir>',
      'where record.json, witness.jsonl, report.html and the logs go (default: a new directory)',
    )
    .option('--report <file>', 'where the report goes (default: report.html in --out)')
    .option(
      '--faketime <file>',
      'the libfaketime that moves wall clocks (default: where the system has it)',
    )
    .optionsGroup(ATTACHED)
    .option(
      '--attach',
      'use the stack that the options below name, with the faults that are possible there',
    );
  addSharedOptions(command, ['namespace', 'nats', 'database'], {
    heading: ATTACHED,
  }).option('--replica-pid <pid...>', 'replica processes that may be killed and frozen', pidsFlag);
  register<ChaosVerbOptions>(command, async (terminal, options) => {
    return run(terminal, await readOptions(terminal, options), options.json === true);
  });
};

async function run(terminal: Terminal, options: ChaosOptions, json: boolean): Promise<number> {
  const [{ runChaos }, texts, summaries, { onOwnStack }] = await Promise.all([
    import('../../tools/chaos/run.ts'),
    import('../../tools/chaos/progress.ts'),
    import('../../tools/chaos/summary.ts'),
    import('../on-own-stack.ts'),
  ]);
  const force = new AbortController();
  return onOwnStack(terminal, {
    json,
    opening: `seed ${options.seed}; all files go to ${options.dir}`,
    stopping:
      'stopping: no more faults, waiting for the stack to settle... press Ctrl-C again to force',
    force,
    run: (progress, stop) =>
      runChaos(options, {
        stop,
        force: force.signal,
        onEvent(event) {
          if (json && !UNPRINTED.has(event.kind)) printJson(terminal, event);
          const live = texts.liveText(event);
          if (live !== undefined && event.kind === 'note') progress.note(live);
          else if (live !== undefined) progress.tick(live);
          const lasting = texts.lastingText(event);
          if (lasting !== undefined) progress.say(lasting);
        },
      }),
    async report(record) {
      const files = await write(terminal, record, options);
      const summary = summaries.summaryOf(record, files);
      if (json) printJson(terminal, { kind: 'summary', ...summary });
      else for (const text of summaries.summaryLines(record, summary)) terminal.out(text);
      return record.verdict === 'breached' || record.verdict === 'stuck' ? EXIT.failure : EXIT.done;
    },
  });
}

/** Writes the record first: if the report fails, it can still be made from the record. */
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

/** @throws ConfigError that names everything that is wrong */
async function readOptions(
  terminal: Terminal,
  options: SharedOptions & ChaosVerbOptions,
): Promise<ChaosOptions> {
  const { parseFaultMix } = await import('../../tools/chaos/fault-mix.ts');
  const { duration, seed, faults, replicas, agents, instances, leaseTtl } = options;
  const { out, report, faketime, attach = false, replicaPid, hostile } = options;
  const mix = parseFaultMix(faults);
  const reportFile = report === undefined ? undefined : outputFile('--report', report);
  const problems = [
    mix.ok ? '' : `--faults: ${mix.problem}`,
    leaseTtl < 2 || leaseTtl > 60 ? `--lease-ttl must be 2 to 60 seconds, not ${leaseTtl}` : '',
    replicas > 9 ? `--replicas must be 9 at most, not ${replicas}` : '',
    reportFile?.problem ?? '',
    ...(attach ? attachProblems(options) : ownStackProblems(options)),
  ].filter((problem) => problem !== '');
  if (problems.length > 0 || !mix.ok) throw new ConfigError(problems);
  const env = environment(terminal.env, options);
  const attachTo = attach ? await readAttach(env, replicaPid ?? []) : undefined;
  return {
    seed: seed ?? randomInt(1, 1_000_000),
    durationMs: duration,
    faults,
    mix: mix.mix,
    agents,
    instances,
    hostileRate: hostile === true ? HOSTILE_RATE : hostile,
    faketimeLib: faketime === undefined ? undefined : resolve(faketime),
    reportFile: reportFile?.path,
    replicas,
    leaseTtlS: leaseTtl,
    attach: attachTo,
    dir: outputDir(out, 'leasehold-chaos-'),
    env,
  };
}

/** Options that mean a stack which runs already, where chaos starts one. */
function ownStackProblems(options: SharedOptions & ChaosVerbOptions): string[] {
  const { namespace, nats, database, replicaPid, faketime } = options;
  const given = { namespace, nats, database, 'replica-pid': replicaPid };
  return [
    ...Object.entries(given).flatMap(([name, value]) =>
      value === undefined
        ? []
        : [`--${name} needs --attach; without it, chaos starts servers and replicas itself`],
    ),
    ...(faketime === undefined || existsSync(faketime)
      ? []
      : [`--faketime: there is no file ${resolve(faketime)}; install libfaketime, or correct it`]),
  ];
}

/** Options without effect on a stack that chaos did not start, and processes that are gone. */
function attachProblems({ faketime, hostile, replicaPid = [] }: ChaosVerbOptions): string[] {
  return [
    ...(hostile === undefined
      ? []
      : ['--hostile needs a stack that chaos starts; remove it, or --attach']),
    ...(faketime === undefined
      ? []
      : ['--faketime is for replicas that chaos starts; remove it, or --attach']),
    ...replicaPid
      .filter((pid) => !isRunning(pid))
      .map((pid) => `--replica-pid ${pid}: no such process; leasehold replicas lists the pids`),
  ];
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It runs and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function readAttach(env: Environment, pids: readonly number[]): Promise<AttachTo> {
  const { readAgentConfig, readDatabaseConfig } = await import('../../src/config/config.ts');
  const { namespace, nats } = readAgentConfig(env);
  const { servers: natsUrls, ...natsAccess } = nats;
  const { databaseUrl } = readDatabaseConfig(env);
  return { namespace, natsUrls, natsAccess, databaseUrl, pids };
}

function seedFlag(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 0 to 999999999.');
}

function pidsFlag(text: string, before: number[] = []): number[] {
  if (/^\d{1,9}$/.test(text) && Number(text) > 1) return [...before, Number(text)];
  throw new InvalidArgumentError('It must be a process id, such as 4711.');
}
