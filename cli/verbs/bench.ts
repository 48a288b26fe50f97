import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';

import {
  isCompared,
  MAX_AGENTS,
  readAgents,
  readScenarios,
  SCENARIOS,
  SIZES,
} from '../../tools/bench/options.ts';
import type { BenchOptions, ComparedScenario, Scenario } from '../../tools/bench/options.ts';
import type { Build } from '../../tools/bench/compare/build.ts';
import type { BenchRecord } from '../../tools/bench/record.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag } from '../flags.ts';
import { outputDir } from '../output-dir.ts';
import { addSharedOptions } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';

const MAX_REPLICAS = 16;
/** The sizes of a comparison: short rounds at two numbers of agents. */
const COMPARED_AGENTS = [32, 128];
const COMPARED_DURATION_MS = 2_000;
const ROUNDS = 12;

interface BenchVerbOptions {
  scenario?: readonly Scenario[];
  agents?: readonly number[];
  duration?: number;
  replicas: number;
  trials?: number;
  held?: number;
  rows?: number;
  quick?: boolean;
  full?: boolean;
  compare?: string;
  rounds?: number;
  out?: string;
}

/** `leasehold bench` */
export const bench: DefineVerb = (command, register) => {
  const { usual, quick, full } = SIZES;
  const seconds = (ms: unknown): string => `${Number(ms) / 1_000}s`;
  const sizes = (name: keyof typeof usual, text: (value: unknown) => string = String): string =>
    `(default: ${text(usual[name])}; --quick: ${text(quick[name])}; --full: ${text(full[name])})`;
  // It takes no URLs and no namespace, because it starts its own servers.
  addSharedOptions(command, ['json'])
    .description(
      'Measure throughput, latency, failover time and how costs grow, on a stack of servers and ' +
        'replicas that it starts itself, and compare them with baselines.',
    )
    .addOption(
      new Option(
        '--scenario <list>',
        `what to measure: all, or some of ${SCENARIOS.join(', ')} (default: all; ` +
          'with --compare throughput, fresh or both, default: throughput)',
      ).argParser(scenariosFlag),
    )
    .option(
      '--agents <list>',
      `numbers of concurrent agents, each measured separately ${sizes('agents')}`,
      agentsFlag,
    )
    .option(
      '--duration <time>',
      `how long each measurement takes ${sizes('durationMs', seconds)}`,
      durationFlag,
    )
    .option('--replicas <n>', 'how many replicas to run', countFlag, 1)
    .option('--trials <n>', `faults of each kind, one at a time ${sizes('trials')}`, countFlag)
    .option(
      '--held <n>',
      `instances that one replica acquires and holds ${sizes('held')}`,
      countFlag,
    )
    .option('--rows <n>', `rows in the filled log ${sizes('rows')}`, countFlag)
    .addOption(new Option('--quick', 'small sizes: about five minutes').conflicts('full'))
    .option('--full', 'the sizes that the goals name: about an hour')
    .addOption(
      new Option(
        '--compare <dir>',
        'compare this build with the one in another checkout, on held instances and ' +
          'with --scenario fresh on fresh ones (--agents then defaults to 32,128 and ' +
          '--duration to 2s)',
      ).conflicts(['trials', 'held', 'rows', 'quick', 'full']),
    )
    .option(
      '--rounds <n>',
      `with --compare: how many interleaved rounds (default: ${ROUNDS})`,
      countFlag,
    )
    .option(
      '--out <dir>',
      'where bench.json, bench.html and the logs go (default: a new directory)',
    );
  register<BenchVerbOptions>(command, async (terminal, options) => {
    const { compare, rounds = ROUNDS, json = false } = options;
    if (compare === undefined) return run(terminal, readOptions(terminal, options), json);
    const before = await buildIn(compare);
    const scenarios = comparedScenarios(options.scenario);
    const { runCompare } = await import('./bench-compare.ts');
    const { agents = COMPARED_AGENTS, duration = COMPARED_DURATION_MS } = options;
    const own = { scenarios, agents, durationMs: duration, rounds, before };
    const comparison = { ...readOptions(terminal, options), ...own };
    return runCompare(terminal, comparison, json);
  });
};

async function run(terminal: Terminal, options: BenchOptions, json: boolean): Promise<number> {
  const [{ runBench }, { figureLine }, { onOwnStack }] = await Promise.all([
    import('../../tools/bench/run.ts'),
    import('../../tools/bench/labels.ts'),
    import('../on-own-stack.ts'),
  ]);
  return onOwnStack(terminal, {
    json,
    opening: `all files go to ${options.dir}`,
    run: (progress, stop) =>
      runBench(options, {
        stop,
        onEvent(event) {
          if (json && event.kind !== 'note') printJson(terminal, event);
          switch (event.kind) {
            case 'note':
              progress.note(event.text);
              return;
            case 'scenario':
              progress.say(`— ${event.text}`);
              return;
            case 'figure':
              progress.say(`  ${figureLine(event.figure)}`);
              return;
            case 'failure':
              progress.say(`  FAILED: ${event.why}`);
          }
        },
      }),
    async report(record) {
      const files = await write(record, options);
      if (json) printJson(terminal, { kind: 'summary', ...record, files });
      else await print(terminal, record, files);
      for (const { scenario, why } of record.failures)
        terminal.err(`${scenario} could not be measured: ${why}`);
      return record.ended === 'failed' ? EXIT.failure : EXIT.done;
    },
  });
}

/** Writes the record first: if the page fails, it can still be made from the record. */
async function write(
  record: BenchRecord,
  { dir }: BenchOptions,
): Promise<{ record: string; report: string }> {
  const files = { record: join(dir, 'bench.json'), report: join(dir, 'bench.html') };
  writeFileSync(files.record, `${JSON.stringify(record, undefined, 2)}\n`);
  const { renderBench } = await import('../../tools/bench/report/report.ts');
  writeFileSync(files.report, renderBench(record));
  return files;
}

async function print(
  terminal: Terminal,
  record: BenchRecord,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const [{ figureTables }, { table }] = await Promise.all([
    import('../../tools/bench/table.ts'),
    import('../render/table.ts'),
  ]);
  for (const { title, head, rows } of figureTables(record.figures)) {
    terminal.out(`\n${title}\n`);
    terminal.out(table(head, rows, { color: terminal.color }));
  }
  if (record.ended === 'broken_off') terminal.out('\nStopped early: not everything was measured.');
  terminal.out(`\n${Object.values(files).join('\n')}`);
}

function readOptions(terminal: Terminal, options: BenchVerbOptions): BenchOptions {
  const { scenario = SCENARIOS, quick, full, replicas, out } = options;
  const sizes = SIZES[quick === true ? 'quick' : full === true ? 'full' : 'usual'];
  const {
    agents = sizes.agents,
    duration = sizes.durationMs,
    trials = sizes.trials,
    held = sizes.held,
    rows = sizes.rows,
  } = options;
  const problems = [
    replicas > MAX_REPLICAS ? `--replicas must be ${MAX_REPLICAS} at most, not ${replicas}` : '',
    duration < 200 ? `--duration must be 200ms at least, not ${duration}ms` : '',
    options.rounds !== undefined && options.compare === undefined
      ? '--rounds needs --compare, which names the build to compare with'
      : '',
  ].filter((problem) => problem !== '');
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    scenarios: scenario,
    agents,
    durationMs: duration,
    replicas,
    trials,
    held,
    rows,
    dir: outputDir(out, 'leasehold-bench-'),
    env: terminal.env,
  };
}

/** What a comparison measures. @throws ConfigError if it cannot measure one of the scenarios */
function comparedScenarios(scenarios: readonly Scenario[] = ['throughput']): ComparedScenario[] {
  return scenarios.map((scenario) => {
    if (isCompared(scenario)) return scenario;
    throw new ConfigError([
      `--scenario: --compare measures throughput and fresh, not ${scenario}; leave it out, ` +
        'or measure it without --compare',
    ]);
  });
}

/** The build that `--compare` names. @throws ConfigError if the directory has none */
async function buildIn(dir: string): Promise<Build> {
  const { findBuild } = await import('../../tools/bench/compare/build.ts');
  try {
    return findBuild(dir);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'NoBuild') throw error;
    throw new ConfigError([`--compare: ${error.message}`]);
  }
}

function scenariosFlag(text: string): readonly Scenario[] {
  const scenarios = readScenarios(text);
  if (scenarios !== undefined && scenarios.length > 0) return scenarios;
  throw new InvalidArgumentError(`It must be all, or some of ${SCENARIOS.join(',')}.`);
}

function agentsFlag(text: string): readonly number[] {
  const agents = readAgents(text);
  if (agents !== undefined) return agents;
  throw new InvalidArgumentError(
    `It must be whole numbers from 1 to ${MAX_AGENTS}, such as 1,8,128.`,
  );
}
