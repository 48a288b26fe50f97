import type { Terminal } from '../terminal.ts';
import { span } from './time.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

/**
 * A progress line on the terminal, redrawn in place. Prints nothing where stderr is no terminal.
 */
export class LiveLine {
  readonly #terminal: Terminal;
  readonly #startMs = performance.now();
  #text: string;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, text: string) {
    this.#terminal = terminal;
    this.#text = text;
    if (!terminal.liveIsTty) return;
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#timer.unref();
    this.#draw();
  }

  set(text: string): void {
    this.#text = text;
  }

  /** Prints a line above it that stays. */
  above(line: string): void {
    if (this.#timer === undefined) return;
    this.#terminal.live(`\r\u001b[2K${line}\n`);
    this.#draw();
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#terminal.live('\r\u001b[2K');
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const time = span(performance.now() - this.#startMs);
    const line = `${FRAMES[this.#frame] ?? ''} ${this.#text} (${time})`;
    this.#terminal.live(`\r\u001b[2K${line.slice(0, Math.max(20, this.#terminal.columns - 1))}`);
  }
}
