import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The built command line: what a user runs. */
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** How a child process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export class Output {
  text = '';
  readonly #listeners = new Set<() => void>();

  constructor(stream: NodeJS.ReadableStream) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      this.text += chunk;
      for (const listener of this.#listeners) listener();
    });
  }

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1);
  }

  until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const listener = (): void => {
        const found = look();
        if (found === undefined) return;
        this.#listeners.delete(listener);
        resolve(found);
      };
      this.#listeners.add(listener);
      listener();
    });
  }
}

interface ChildPlace {
  main?: string;
  cwd?: string;
  node?: string;
}

export class Child {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;

  /** @param where another program, the directory that it runs in, and another Node to run it */
  constructor(
    args: string[],
    env: NodeJS.ProcessEnv,
    { main = MAIN, cwd = ROOT, node = process.execPath }: ChildPlace = {},
  ) {
    const child = spawn(node, [main, ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    this.stdout = new Output(child.stdout);
    this.stderr = new Output(child.stderr);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
  }

  /** SIGKILL works on a stopped process too. */
  end(): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      this.#process.kill('SIGKILL');
  }
}
