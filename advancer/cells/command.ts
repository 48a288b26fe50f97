import { existsSync } from 'node:fs';
import { lstat, open, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { classOf, classOfExitCode, type MovedExitCodes } from '../../src/execution/outcome.ts';
import type { JsonObject } from '../../src/json.ts';
import { HEAD_BYTES, lostOutput } from '../../src/runbook/lost-output.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { Clock } from '../../src/time/clock.ts';
import type { EffectContext } from './cells.ts';
import { commandEnv } from './command-env.ts';
import {
  codeOf,
  endedAs,
  isOutOfResources,
  messageOf,
  wrongReplica,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import { lost, tooLarge, type ReadOutput } from './output.ts';
import { startProcessGroup, type KeptOutput, type ProcessGroupExit } from './process-group.ts';
import { makeTemporaryFolder, temporaryDirectory } from './temporary-directory.ts';
import { readBytes } from './text-output.ts';

/** Where commands run, and the environment from which theirs is made. */
export interface CommandEnvironment {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** A command with its placeholders filled. */
export interface CommandCall extends MovedExitCodes {
  argv: string[];
}

/**
 * Runs a command in its own process group. Its exit code says what became of the effect. Ending by
 * a signal from any source is unknown, and so is any exit after cancellation: a command may exit
 * with 0 when it is asked to stop.
 */
export async function runCommand(
  call: CommandCall,
  context: EffectContext,
  environment: CommandEnvironment,
  { clock, limits, cancellation, outputMode, onBegun }: InvocationOptions,
): Promise<Invocation> {
  const { argv } = call;
  let folder: string | undefined;
  try {
    // Synchronous, like everything up to the spawn: the trust that was checked a moment ago must
    // not age here.
    folder = makeTemporaryFolder();
    const outputFile = join(folder, 'output.json');
    let group: ReturnType<typeof startProcessGroup>;
    try {
      group = startProcessGroup({
        argv,
        env: commandEnv(environment.env, context, outputFile),
        cwd: environment.cwd,
        stdin: JSON.stringify({ inputs: context.inputs, outputs: context.outputs }),
        clock,
        graceMs: limits.graceMs,
        stdoutBytes: limits.outputBytes,
        diagnosticBytes: limits.diagnosticBytes,
        end: cancellation.forcedSignal,
      });
      group.ended.catch(() => undefined);
      await group.started;
    } catch (error) {
      return notSpawned(argv, environment.cwd, error);
    }
    onBegun();
    const end = await group.ended;
    return end.stopped
      ? { kind: 'unknown', reason: cancellation.cause, detail: detailOf(end) }
      : await outcomeOf(call, end, outputFile, {
          mode: outputMode,
          limitBytes: limits.outputBytes,
          clock,
        });
  } catch (error) {
    // Before the spawn: the temporary directory could not be made.
    if (folder !== undefined) throw error;
    const why = `the temporary directory ${temporaryDirectory()} cannot be used: ${messageOf(error)}`;
    return wrongReplica(why, error);
  } finally {
    // If this fails, the folder is left to the system's cleanup: the command's outcome stands.
    if (folder !== undefined)
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

function notSpawned(argv: string[], cwd: string, error: unknown): Invocation {
  const program = argv[0] ?? '';
  const shortage = isOutOfResources(error);
  const why =
    shortage || existsSync(cwd) ? messageOf(error) : `its working directory ${cwd} does not exist`;
  const message = shortage
    ? `this replica could not start the command ${program}: ${why}`
    : `the command ${program} could not be started: ${why}`;
  return endedAs(classOf(shortage ? 'spawn_shortage' : 'not_spawned'), {
    observed: { error: message },
    code: 'not_spawned',
    detail: codeOf(error),
  });
}

/** What is known of how it ended, apart from its output. */
function detailOf({ exitCode, signal, stderr }: ProcessGroupExit): JsonObject {
  return {
    ...(exitCode === null ? {} : { exitCode }),
    ...(signal === null ? {} : { signal }),
    ...diagnostic('stderr', stderr),
  };
}

/** The end of what a command wrote and what is not its output, marked if it is not all of it. */
function diagnostic(name: 'stdout' | 'stderr', { bytes, last }: KeptOutput): JsonObject {
  if (bytes === 0) return {};
  if (bytes === last.length) return { [name]: last.toString('utf8') };
  // The first character may be cut.
  const text = last.toString('utf8').replace(/^\ufffd{1,3}/, '');
  return { [name]: text, [`${name}Truncated`]: true };
}

/** How a command's output is read. */
interface Reading {
  mode: OutputMode | undefined;
  limitBytes: number;
  clock: Clock;
}

/** Of a command that ended by itself. */
async function outcomeOf(
  call: CommandCall,
  end: ProcessGroupExit,
  outputFile: string,
  how: Reading,
): Promise<Invocation> {
  const { exitCode } = end;
  const detail = detailOf(end);
  if (exitCode === null) {
    const error = `it was ended by ${end.signal ?? 'a signal'}`;
    return endedAs(classOf('signal'), { observed: { error }, code: 'exit_code', detail });
  }
  const written = await readOutputFile(outputFile, how);
  const read = written ?? readStdout(end.stdout, how);
  const stderr = end.stderr.last.toString('utf8').trim();
  const error = `exit code ${exitCode}${stderr === '' ? '' : `: ${stderr}`}`;
  const outcome = classOfExitCode(exitCode, call);
  return endedAs(outcome, {
    observed: { exitCode, output: read.output, ...(outcome === 'succeeded' ? {} : { error }) },
    code: 'exit_code',
    detail: {
      ...detail,
      ...(written === undefined ? {} : diagnostic('stdout', end.stdout)),
      ...read.detail,
    },
  });
}

/**
 * How often reading the output file is tried, and how far apart, while the replica is out of files
 * or its temporary directory is gone: that lies with the replica, and may pass.
 */
const READ_TRIES = 10;
const READ_AGAIN_MS = 100;

const OUTPUT_FILE = 'what the command wrote to LEASEHOLD_OUTPUT_FILE';

/** The output that a command wrote to its output file; undefined if it wrote none. */
async function readOutputFile(outputFile: string, how: Reading): Promise<ReadOutput | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await readOutputFileOnce(outputFile, how);
    } catch (error) {
      const mayPass = isOutOfResources(error) || codeOf(error)['code'] === 'ENOENT';
      if (mayPass && tries < READ_TRIES) await how.clock.sleep(READ_AGAIN_MS);
      else {
        const why = `${OUTPUT_FILE} cannot be read: ${messageOf(error)}`;
        return lost('not_json', lostOutput(why, 0, ''));
      }
    }
  }
}

/** @throws the system's error, also if the folder of the file is gone */
async function readOutputFileOnce(
  outputFile: string,
  how: Reading,
): Promise<ReadOutput | undefined> {
  const file = await lstat(outputFile).catch((error: unknown) => {
    if (codeOf(error)['code'] === 'ENOENT' && existsSync(dirname(outputFile))) return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  if (!file.isFile())
    return lost('not_json', lostOutput(`${OUTPUT_FILE} is not a regular file`, 0, ''));
  if (file.size <= how.limitBytes) return readBytes(await readFile(outputFile), 'file', how);
  return tooLarge(OUTPUT_FILE, file.size, how.limitBytes, await beginningOf(outputFile));
}

async function beginningOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function readStdout({ bytes, first }: KeptOutput, how: Reading): ReadOutput {
  if (bytes > first.length)
    return tooLarge('what it wrote to stdout', bytes, how.limitBytes, first);
  return readBytes(first, 'stdout', how);
}
