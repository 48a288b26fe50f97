import type { Io } from '../io.ts';
import { span } from './time.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;

/**
 * A line on the terminal that says what is going on, for as long as it does; silent where there is
 * no terminal.
 */
export class LiveLine {
  readonly #io: Io;
  readonly #startMs = performance.now();
  #text: string;
  #frame = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(io: Io, text: string) {
    this.#io = io;
    this.#text = text;
    if (!io.liveIsTty) return;
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#timer.unref();
    this.#draw();
  }

  set(text: string): void {
    this.#text = text;
  }

  /** Prints a line that stays, above. */
  above(line: string): void {
    if (this.#timer === undefined) return;
    this.#io.live(`\r\u001b[2K${line}\n`);
    this.#draw();
  }

  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#io.live('\r\u001b[2K');
  }

  #draw(): void {
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const time = span(performance.now() - this.#startMs);
    const line = `${FRAMES[this.#frame] ?? ''} ${this.#text} (${time})`;
    this.#io.live(`\r\u001b[2K${line.slice(0, Math.max(20, this.#io.columns - 1))}`);
  }
}
