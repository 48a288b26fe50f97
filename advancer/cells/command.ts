import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { classOf, classOfExitCode, type MovedExitCodes } from '../../src/execution/outcome.ts';
import type { JsonObject } from '../../src/json.ts';
import type { EffectContext } from './cells.ts';
import { diagnostic, diagnosticText, type DiagnosticReading } from './diagnostic.ts';
import { commandEnv, type CommandEnvironment } from './command-env.ts';
import {
  codeOf,
  endedAs,
  isOutOfResources,
  messageOf,
  wrongReplica,
  type Invocation,
  type InvocationOptions,
} from './invocation.ts';
import { tooLarge, type ReadOutput } from './output.ts';
import { readOutputFile, type Reading } from './output-file.ts';
import { startProcessGroup, type KeptOutput, type ProcessGroupExit } from './process-group.ts';
import { removeTemporaryFolder, temporaryDirectory } from './temporary-directory.ts';
import { readBytes } from './text-output.ts';

/** A command with its placeholders filled. */
export interface CommandCall extends MovedExitCodes {
  argv: string[];
  env: Record<string, string>;
  cwd: string | undefined;
  /** What it reads on stdin; undefined: the instance's inputs and outputs, as JSON. */
  stdin?: string | undefined;
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
  { clock, limits, cancellation, redaction, outputMode, onBegun }: InvocationOptions,
): Promise<Invocation> {
  const { argv } = call;
  const { user } = environment;
  const cwd = resolve(environment.cwd, call.cwd ?? '');
  let folder: string | undefined;
  try {
    // Synchronous, like everything up to the spawn: the trust that was checked a moment ago must
    // not age here.
    folder = environment.folders.take();
    const outputFile = join(folder, 'output.json');
    let group: ReturnType<typeof startProcessGroup>;
    try {
      group = startProcessGroup({
        argv,
        env: commandEnv(environment, { cell: call.env, context, outputFile }),
        cwd,
        user,
        stdin: call.stdin ?? JSON.stringify({ inputs: context.inputs, outputs: context.outputs }),
        clock,
        graceMs: limits.graceMs,
        stdoutBytes: limits.outputBytes,
        // A secret that begins before what is kept in the end must be recognised.
        diagnosticBytes: limits.diagnosticBytes + redaction().reach,
        end: cancellation.forcedSignal,
      });
      group.ended.catch(() => undefined);
      await group.started;
    } catch (error) {
      return notSpawned(argv, cwd, error);
    }
    onBegun();
    const end = await group.ended;
    const diagnostics: DiagnosticReading = {
      limitBytes: limits.diagnosticBytes,
      redaction: redaction(),
      brokenOff: end.stopped || end.exitCode === null,
    };
    if (end.stopped) {
      const detail = detailOf(end, diagnostics);
      return { kind: 'unknown', reason: cancellation.cause, detail };
    }
    return await outcomeOf(call, end, outputFile, {
      mode: outputMode,
      limitBytes: limits.outputBytes,
      redaction: diagnostics.redaction,
      diagnostics,
      clock,
      ownerUid: user?.uid,
    });
  } catch (error) {
    // Before the spawn: the temporary directory could not be made.
    if (folder !== undefined) throw error;
    const why = `the temporary directory ${temporaryDirectory()} cannot be used: ${messageOf(error)}`;
    return wrongReplica(why, error);
  } finally {
    if (folder !== undefined) await removeTemporaryFolder(folder, user);
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
function detailOf(
  { exitCode, signal, stderr }: ProcessGroupExit,
  diagnostics: DiagnosticReading,
): JsonObject {
  return {
    ...(exitCode === null ? {} : { exitCode }),
    ...(signal === null ? {} : { signal }),
    ...diagnostic('stderr', stderr, diagnostics),
  };
}

/** Of a command that ended by itself. */
async function outcomeOf(
  call: CommandCall,
  end: ProcessGroupExit,
  outputFile: string,
  how: Reading & { diagnostics: DiagnosticReading },
): Promise<Invocation> {
  const { exitCode } = end;
  const { diagnostics } = how;
  const detail = detailOf(end, diagnostics);
  if (exitCode === null) {
    const error = `it was ended by ${end.signal ?? 'a signal'}`;
    return endedAs(classOf('signal'), { observed: { error }, code: 'exit_code', detail });
  }
  const written = await readOutputFile(outputFile, how);
  const read = written ?? readStdout(end.stdout, how);
  const stderr = diagnosticText(end.stderr, diagnostics).text.trim();
  const error = `exit code ${exitCode}${stderr === '' ? '' : `: ${stderr}`}`;
  const outcome = classOfExitCode(exitCode, call);
  return endedAs(outcome, {
    observed: { exitCode, output: read.output, ...(outcome === 'succeeded' ? {} : { error }) },
    code: 'exit_code',
    detail: {
      ...detail,
      ...(written === undefined ? {} : diagnostic('stdout', end.stdout, diagnostics)),
      ...read.detail,
    },
  });
}

function readStdout({ bytes, first, ended }: KeptOutput, how: Reading): ReadOutput {
  if (bytes <= first.length) return readBytes(first, 'stdout', { ...how, cut: !ended });
  const { limitBytes, redaction } = how;
  const head = redaction.text(first.toString('utf8'), true);
  return tooLarge('what it wrote to stdout', bytes, limitBytes, head);
}
