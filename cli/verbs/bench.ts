import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { InvalidArgumentError, Option } from 'commander';

import {
  MAX_AGENTS,
  readAgents,
  readScenarios,
  SCENARIOS,
  SIZES,
} from '../../tools/bench/options.ts';
import type { BenchOptions, Scenario } from '../../tools/bench/options.ts';
import type { BenchRecord } from '../../tools/bench/record.ts';
import { ConfigError } from '../../src/config/config.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, durationFlag } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import type { SharedOptions } from '../options.ts';
import { LiveLine } from '../render/live-line.ts';
import { table } from '../render/table.ts';
import { printJson } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

const MAX_REPLICAS = 16;

/** `leasehold bench`: measures a stack of its own, and the floor beside it. */
export const addBench: AddVerb = (parent, register) => {
  const { usual, quick, full } = SIZES;
  const seconds = (ms: unknown): string => `${Number(ms) / 1_000}s`;
  const sizes = (name: keyof typeof usual, text: (value: unknown) => string = String): string =>
    `default: ${text(usual[name])}, with --quick ${text(quick[name])}, with --full ${text(full[name])}`;
  // Not the shared flags: its stack, its namespaces and its databases are all its own.
  const command = parent
    .command('bench')
    .option('--json', 'print figures as they are measured and a summary, one object a line')
    .description(
      'measure a stack of its own: throughput, latency, failover and how costs grow, against a floor',
    )
    .addOption(
      new Option('--scenario <list>', `what to measure: all, or of ${SCENARIOS.join(', ')}`)
        .argParser(scenariosFlag)
        .default(SCENARIOS, 'all'),
    )
    .option(
      '--agents <list>',
      `how many agents ask at once, a measuring point each; ${sizes('agents')}`,
      agentsFlag,
    )
    .option(
      '--duration <time>',
      `of each measuring point; ${sizes('durationMs', seconds)}`,
      durationFlag,
    )
    .option('--replicas <n>', 'how many replicas serve', countFlag, 1)
    .option('--trials <n>', `isolated faults of each kind; ${sizes('trials')}`, countFlag)
    .option(
      '--held <n>',
      `instances that one replica acquires and holds; ${sizes('held')}`,
      countFlag,
    )
    .option('--rows <n>', `rows of the filled log; ${sizes('rows')}`, countFlag)
    .addOption(new Option('--quick', 'small sizes: about five minutes').conflicts('full'))
    .option('--full', 'the sizes that the goals name: about an hour')
    .option('--out <dir>', 'where bench.json, bench.html and the logs go; default: a fresh folder');
  register(command, (terminal, options) =>
    run(terminal, readOptions(terminal, options), options.json === true),
  );
};

async function run(terminal: Terminal, options: BenchOptions, json: boolean): Promise<number> {
  const [{ runBench }, { benchPorts }, words] = await Promise.all([
    import('../../tools/bench/run.ts'),
    import('../../tools/bench/bench-ports.ts'),
    import('../../tools/bench/words.ts'),
  ]);
  const stop = new AbortController();
  const line = new LiveLine(terminal, 'starting');
  const say = (text: string): void => (terminal.liveIsTty ? line.above(text) : terminal.err(text));
  const restore = terminal.onInterrupt(() => {
    // Watchdogs end what is left.
    if (stop.signal.aborted) process.exit(EXIT.failure);
    say('stopping; once more to leave at once');
    stop.abort();
  });
  say(`everything goes to ${options.dir}`);
  try {
    const record = await runBench(options, {
      ports: benchPorts,
      stop: stop.signal,
      tell(event) {
        if (json && event.kind !== 'note') printJson(terminal, event);
        switch (event.kind) {
          case 'note':
            line.set(event.text);
            if (!terminal.liveIsTty) terminal.err(event.text);
            return;
          case 'scenario':
            say(`— ${event.text}`);
            return;
          case 'figure':
            say(`  ${words.figureLine(event.figure)}`);
            return;
          case 'failure':
            say(`  FAILED: ${event.why}`);
        }
      },
    });
    line.stop();
    const files = await write(record, options);
    if (json) printJson(terminal, { kind: 'summary', ...record, files });
    else await print(terminal, record, files);
    for (const { scenario, why } of record.failures)
      terminal.err(`${scenario} could not be measured: ${why}`);
    return record.ended === 'failed' ? EXIT.failure : EXIT.done;
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

/** The record first: whatever becomes of the page, it can be made again from it. */
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
  const { figureTables } = await import('../../tools/bench/table.ts');
  for (const { title, head, rows } of figureTables(record.figures)) {
    terminal.out(`\n${title}\n`);
    terminal.out(table(head, rows, { color: terminal.color }));
  }
  if (record.ended === 'broken_off') terminal.out('\nBroken off: not everything was measured.');
  terminal.out(`\n${Object.values(files).join('\n')}`);
}

function readOptions(
  terminal: Terminal,
  flags: SharedOptions & Record<string, unknown>,
): BenchOptions {
  const sizes =
    SIZES[flags['quick'] === true ? 'quick' : flags['full'] === true ? 'full' : 'usual'];
  const replicas = flags['replicas'] as number;
  if (replicas > MAX_REPLICAS)
    throw new ConfigError([`--replicas must be ${MAX_REPLICAS} at most, not ${replicas}`]);
  const durationMs = (flags['duration'] as number | undefined) ?? sizes.durationMs;
  if (durationMs < 200)
    throw new ConfigError([`--duration must be 200ms at least, not ${durationMs}ms`]);
  const out = flags['out'] as string | undefined;
  return {
    scenarios: flags['scenario'] as readonly Scenario[],
    agents: (flags['agents'] as readonly number[] | undefined) ?? sizes.agents,
    durationMs,
    replicas,
    trials: (flags['trials'] as number | undefined) ?? sizes.trials,
    held: (flags['held'] as number | undefined) ?? sizes.held,
    rows: (flags['rows'] as number | undefined) ?? sizes.rows,
    dir: out === undefined ? mkdtempSync(join(tmpdir(), 'leasehold-bench-')) : resolve(out),
    env: terminal.env,
  };
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
