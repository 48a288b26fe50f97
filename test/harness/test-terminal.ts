import type { Terminal } from '../../cli/terminal.ts';
import type { Environment } from '../../src/config/config.ts';

/** Keeps what is printed. Not a TTY. */
export class TestTerminal implements Terminal {
  readonly env: Environment;
  readonly outLines: string[] = [];
  readonly errLines: string[] = [];
  readonly liveIsTty = false;
  readonly color = false;
  readonly columns = 80;

  constructor(env: Environment = {}) {
    this.env = env;
  }

  get outText(): string {
    return this.outLines.join('\n');
  }

  get errText(): string {
    return this.errLines.join('\n');
  }

  out(line: string): void {
    this.outLines.push(line);
  }

  err(line: string): void {
    this.errLines.push(line);
  }

  live(): void {}

  onInterrupt(): () => void {
    return () => {};
  }
}
