import type { Terminal } from '../terminal.ts';
import { LiveLine } from './live-line.ts';

/** How often a tick is printed where stderr is not a terminal. */
const LINE_EVERY_MS = 5_000;

/**
 * The progress of something long: a line redrawn in place on a terminal, else lines now and then.
 */
export class Progress {
  readonly #terminal: Terminal;
  readonly #line: LiveLine;
  #printedMs = performance.now();

  constructor(terminal: Terminal, text: string) {
    this.#terminal = terminal;
    this.#line = new LiveLine(terminal, text);
  }

  /** Shows where it is. Without a terminal, prints that once every few seconds. */
  tick(text: string): void {
    this.#line.set(text);
    const nowMs = performance.now();
    if (this.#terminal.liveIsTty || nowMs - this.#printedMs < LINE_EVERY_MS) return;
    this.#printedMs = nowMs;
    this.#terminal.err(text);
  }

  /** Shows where it is. Without a terminal, prints that at once. */
  note(text: string): void {
    this.#line.set(text);
    if (this.#terminal.liveIsTty) return;
    this.#printedMs = performance.now();
    this.#terminal.err(text);
  }

  /** Prints a line that stays. */
  say(text: string): void {
    if (this.#terminal.liveIsTty) this.#line.above(text);
    else this.#terminal.err(text);
  }

  stop(): void {
    this.#line.stop();
  }
}
