import { parseArgs } from 'node:util';

import { startStack } from '../../tools/stack/servers.ts';
import type { Servers } from './replicas.ts';

/*
 * The commands that run random tests on servers that they start themselves, such as
 * `npm run random-lives`.
 */

/** An option whose value is a whole number. */
export interface NumberOption {
  about: string;
  least: number;
  /** If undefined, it may be left out. */
  byDefault?: number;
}

/** What a command line asks for. */
export type Read<Name extends string> =
  | { kind: 'run'; values: Record<Name, number | undefined> }
  | { kind: 'help'; usage: string }
  /** `why` names the option. */
  | { kind: 'wrong'; why: string; usage: string };

/** Reads the arguments of `npm run <script> --`. */
export function readArguments<Name extends string>(
  script: string,
  options: Record<Name, NumberOption>,
  args: readonly string[],
): Read<Name> {
  const usage = usageOf(script, options);
  const names = Object.keys(options) as Name[];
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(names.map((name) => [name, { type: 'string' as const }])),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const values = Object.fromEntries(names.map((name) => [name, options[name].byDefault])) as Record<
    Name,
    number | undefined
  >;
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional')
      return { kind: 'wrong', why: `${token.value} is no option`, usage };
    if (token.name === 'help' || token.name === 'h') return { kind: 'help', usage };
    const name = names.find((one) => one === token.name);
    if (name === undefined)
      return { kind: 'wrong', why: `there is no option ${token.rawName}`, usage };
    const { least } = options[name];
    const number = Number(token.value?.trim() || Number.NaN);
    if (!Number.isSafeInteger(number) || number < least) {
      const given = token.value === undefined ? 'nothing' : token.value;
      const why = `--${name} must be a whole number from ${least}, not ${given}`;
      return { kind: 'wrong', why, usage };
    }
    values[name] = number;
  }
  return { kind: 'run', values };
}

function usageOf(script: string, options: Record<string, NumberOption>): string {
  const lines = Object.entries(options).map(([name, { about, byDefault }]) => {
    const standard = byDefault === undefined ? '' : ` (${byDefault})`;
    return `  ${`--${name} <n>`.padEnd(20)}${about}${standard}`;
  });
  return [`npm run ${script} -- [options]`, ...lines].join('\n');
}

/** The options that every such command has. */
export const SHARED_OPTIONS = {
  seed: { about: 'the seed; by default another one each time', least: 0 },
  first: { about: 'the number of the first one of the seed', least: 0, byDefault: 0 },
} satisfies Record<string, NumberOption>;

/** The seed that was given, or one by the clock. */
export function seedOf(given: number | undefined): number {
  return given ?? Date.now() % 1_000_000;
}

/** The options of this process; ends it if they ask for help, or cannot be read. */
export function ownArguments<Name extends string>(
  script: string,
  options: Record<Name, NumberOption>,
): Record<Name, number | undefined> {
  const read = readArguments(script, options, process.argv.slice(2));
  if (read.kind === 'run') return read.values;
  if (read.kind === 'help') {
    process.stdout.write(`${read.usage}\n`);
    process.exit(0);
  }
  say(`${read.why}\n${read.usage}`);
  process.exit(2);
}

/** What a run does, and how its result reads. */
export interface RandomRun<Result, Offender> {
  seed: number;
  /** The command that repeats it. */
  command: string;
  run(servers: Servers, onProgress: OnProgress): Promise<Result>;
  summaryOf(result: Result): string;
  /** Why it does not pass. */
  problemsOf(result: Result): string[];
  offendersOf(result: Result): readonly Offender[];
  offenderText(offender: Offender): string;
}

/** Called as a run gets on. */
export type OnProgress = (done: number, of: number, phase: string) => void;

const OFFENDERS_SHOWN = 5;
const PROBLEMS_SHOWN = 30;
const PROGRESS_MS = 5_000;

/** Starts servers and carries a run out on them; the process exits 1 if the run does not pass. */
export async function carryOut<Result, Offender>(
  what: string,
  random: RandomRun<Result, Offender>,
): Promise<void> {
  const { seed, command } = random;
  say(`seed ${seed}: ${command}`);
  const stack = await startStack({ durable: false, say });
  try {
    let saidMs = 0;
    const result = await random.run(stack, (done, of, phase) => {
      if (performance.now() - saidMs < PROGRESS_MS && done < of) return;
      saidMs = performance.now();
      say(`${new Date().toISOString().slice(11, 19)} ${phase}: ${done} of ${of} ${what}`);
    });
    say(random.summaryOf(result));
    const problems = random.problemsOf(result);
    problems.slice(0, PROBLEMS_SHOWN).forEach(say);
    for (const offender of random.offendersOf(result).slice(0, OFFENDERS_SHOWN))
      say(random.offenderText(offender));
    say(problems.length === 0 ? 'passed' : `${problems.length} problems; seed ${seed}`);
    process.exitCode = problems.length === 0 ? 0 : 1;
  } finally {
    await stack.stop();
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
