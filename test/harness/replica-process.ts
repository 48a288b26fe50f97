import type { Child, Exit, Output } from './child-process.ts';

/** A real replica process, known by its own pid. */
export class ReplicaProcess {
  readonly name: string;
  readonly replicaId: string;
  readonly pid: number;
  readonly httpUrl: string;
  readonly exited: Promise<Exit>;
  readonly #output: Output;

  constructor(
    ready: { name: string; replicaId: string; pid: number; httpUrl: string },
    child: Child,
  ) {
    this.name = ready.name;
    this.replicaId = ready.replicaId;
    this.pid = ready.pid;
    this.httpUrl = ready.httpUrl;
    this.exited = child.exited;
    this.#output = child.stderr;
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#output.text;
  }

  /**
   * Resolves with the report of a failpoint once it is reached (the nth report of that name, from
   * 1).
   */
  async failpointReached(point: string, nth = 1): Promise<Record<string, unknown>> {
    const reports = (): Record<string, unknown>[] =>
      this.#output.lines
        .filter((line) => line.startsWith(`{"failpoint":"${point}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    return this.#output.until(() => reports()[nth - 1]);
  }

  /** Resolves once a line of its log matches. */
  async logged(pattern: RegExp): Promise<string> {
    return this.#output.until(() => this.#output.lines.find((line) => pattern.test(line)));
  }

  kill(): void {
    process.kill(this.pid, 'SIGKILL');
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  wake(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  terminate(): void {
    process.kill(this.pid, 'SIGTERM');
  }
}
