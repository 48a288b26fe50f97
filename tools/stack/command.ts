import { execFile } from 'node:child_process';

export interface CommandResult {
  /** The exit code; -1 if the program could not be started or was killed by a signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Runs a program without a shell and waits for its exit. It never rejects; see `code`. */
export function runCommand(
  command: string,
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { timeoutMs = 120_000, ...rest } = options;
  return new Promise((resolve) => {
    const settings = { ...rest, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 };
    execFile(command, argv, settings, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else {
        const code = typeof error.code === 'number' ? error.code : -1;
        resolve({ code, stdout, stderr: stderr === '' ? error.message : stderr });
      }
    });
  });
}

/** The last lines of a long output, for an error message. */
export function tailOf(text: string, lines = 12): string {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
