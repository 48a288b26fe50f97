import { existsSync } from 'node:fs';
import { lstat, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { JsonObject } from '../../src/json.ts';
import type { OutputMode } from '../../src/runbook/runbook.ts';
import type { EffectContext } from './cells.ts';
import { commandEnv } from './command-env.ts';
import {
  codeOf,
  isOutOfResources,
  messageOf,
  refused,
  wrongReplica,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import type { ReadOutput } from './output.ts';
import { startProcessGroup, type ProcessGroupExit } from './process-group.ts';
import { makeTemporaryFolder, temporaryDirectory } from './temporary-directory.ts';
import { readBytes } from './text-output.ts';

/** Where commands run, and the environment from which theirs is made. */
export interface CommandEnvironment {
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/**
 * Runs a command in its own process group. An exit code is a definite outcome. Ending by a signal
 * from any source is unknown, and so is any exit after cancellation: a command may exit with 0 when
 * it is asked to stop.
 */
export async function runCommand(
  argv: string[],
  context: EffectContext,
  environment: CommandEnvironment,
  { clock, limits, cancellation, outputMode, onBegun }: InvocationOptions,
): Promise<Invocation> {
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
        stderrBytes: limits.stderrBytes,
        end: cancellation.forcedSignal,
      });
      group.ended.catch(() => undefined);
      await group.started;
    } catch (error) {
      return notSpawned(argv, environment.cwd, error);
    }
    onBegun();
    const end = await group.ended;
    const reading = { outputFile, mode: outputMode, limitBytes: limits.outputBytes };
    return await outcomeOf(end, reading, cancellation.cause);
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
  if (isOutOfResources(error)) {
    const why = `this replica could not start the command ${argv[0] ?? ''}: ${messageOf(error)}`;
    return wrongReplica(why, error);
  }
  const why = existsSync(cwd) ? messageOf(error) : `its working directory ${cwd} does not exist`;
  const message = `the command ${argv[0] ?? ''} could not be started: ${why}`;
  return {
    kind: 'ended',
    observed: { error: message },
    code: 'not_spawned',
    detail: codeOf(error),
  };
}

/** How a command's output is read. */
interface Reading {
  outputFile: string;
  mode: OutputMode | undefined;
  limitBytes: number;
}

async function outcomeOf(
  end: ProcessGroupExit,
  reading: Reading,
  cause: 'timeout' | 'aborted',
): Promise<Invocation> {
  const stderr = end.stderr.toString('utf8');
  const detail: JsonObject = {
    ...(end.exitCode === null ? {} : { exitCode: end.exitCode }),
    ...(end.signal === null ? {} : { signal: end.signal }),
    ...(stderr === '' ? {} : { stderr }),
  };
  if (end.endedFor === 'too_much_output') {
    const message = `the command wrote more than ${reading.limitBytes} bytes to stdout, and was ended`;
    return refused('output_too_large', message, detail);
  }
  if (end.endedFor === 'cancellation') return { kind: 'unknown', reason: cause, detail };
  if (end.exitCode === null) return { kind: 'unknown', reason: 'crash', detail };
  const read = await outputOf(end.stdout, reading);
  const exited = `exit code ${end.exitCode}`;
  if (!read.ok) return refused(read.code, `${exited}, and ${read.message}`, detail);
  const error = stderr.trim() === '' ? exited : `${exited}: ${stderr.trim()}`;
  return {
    kind: 'ended',
    observed: {
      exitCode: end.exitCode,
      output: read.output,
      ...(end.exitCode === 0 ? {} : { error }),
    },
    code: 'exit_code',
    detail: { ...detail, ...read.detail },
  };
}

async function outputOf(stdout: Buffer, { outputFile, ...how }: Reading): Promise<ReadOutput> {
  const bad = (code: 'bad_output' | 'output_too_large', message: string): ReadOutput => ({
    ok: false,
    code,
    message: `what the command wrote to LEASEHOLD_OUTPUT_FILE ${message}`,
  });
  const file = await lstat(outputFile).catch(() => undefined);
  if (file === undefined) return readBytes(stdout, 'stdout', how);
  if (!file.isFile()) return bad('bad_output', 'is not a regular file');
  if (file.size > how.limitBytes) {
    return bad('output_too_large', `has ${file.size} bytes, and ${how.limitBytes} are allowed`);
  }
  return readBytes(await readFile(outputFile), 'file', how);
}
