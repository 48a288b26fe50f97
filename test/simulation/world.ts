import { Random } from '../../tools/chaos/random.ts';
import { sleepBy, type Clock, type Timer } from '../../src/time/clock.ts';

interface Event {
  atMs: number;
  order: number;
  run: () => void;
}

/**
 * Virtual time: events run one after another in order of their time, and everything that their
 * promises lead to runs before the next event. Nothing here looks at a real clock.
 */
export class World {
  readonly random: Random;
  nowMs = 0;
  #order = 0;
  #heap: Event[] = [];
  /** What happened, to explain a failing seed. */
  readonly trace: string[] = [];

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  note(text: string): void {
    this.trace.push(`${this.nowMs.toFixed(1).padStart(9)}  ${text}`);
  }

  at(delayMs: number, run: () => void): Timer {
    const event: Event = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: (this.#order += 1),
      run,
    };
    this.#push(event);
    return {
      cancel: () => {
        event.run = () => undefined;
      },
    };
  }

  /** Runs until virtual time reaches `untilMs`, or `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    while (!done()) {
      const event = this.#heap[0];
      if (event === undefined || event.atMs > untilMs) break;
      this.#pop();
      this.nowMs = event.atMs;
      event.run();
      await settled();
    }
    if (!done()) this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** The world's own clock, for servers. */
  clock(): Clock {
    const after: Clock['after'] = (delayMs, fire) => this.at(delayMs, fire);
    return {
      monotonicMs: () => this.nowMs,
      wallMs: () => EPOCH_MS + this.nowMs,
      after,
      sleep: (delayMs, signal) => sleepBy(after, delayMs, signal),
    };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(event, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

/** Where wall clocks start in the simulation. */
export const EPOCH_MS = Date.UTC(2030, 0, 1);

function before(a: Event, b: Event): boolean {
  return a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs;
}

/** Resolves once every promise that could go on has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * One simulated process. Whatever reaches it (a timer, an answer, a message) goes through {@link
 * SimProcess.deliver}: a dead one gets nothing, a frozen one gets it when it wakes.
 */
export class SimProcess {
  readonly world: World;
  readonly name: string;
  state: 'running' | 'frozen' | 'dead' = 'running';
  /** How far its wall clock is off. */
  wallSkewMs = 0;
  #backlog: (() => void)[] = [];

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  /** Runs something inside the process after a delay. */
  deliver(delayMs: number, run: () => void): Timer {
    let cancelled = false;
    const arrive = (): void => {
      if (cancelled || this.state === 'dead') return;
      if (this.state === 'frozen') this.#backlog.push(arrive);
      else run();
    };
    const timer = this.world.at(delayMs, arrive);
    return {
      cancel() {
        cancelled = true;
        timer.cancel();
      },
    };
  }

  kill(): void {
    this.state = 'dead';
    this.#backlog = [];
  }

  freeze(): void {
    if (this.state === 'running') this.state = 'frozen';
  }

  wake(): void {
    if (this.state !== 'frozen') return;
    this.state = 'running';
    const backlog = this.#backlog;
    this.#backlog = [];
    // In the order of arrival, each with room for what it leads to.
    for (const arrive of backlog) this.world.at(0, arrive);
  }

  /**
   * Time as this process sees it: monotonic time goes on while it is frozen, wall time may be off.
   */
  clock(): Clock {
    const after: Clock['after'] = (delayMs, fire) => this.deliver(delayMs, fire);
    return {
      monotonicMs: () => this.world.nowMs,
      wallMs: () => EPOCH_MS + this.world.nowMs + this.wallSkewMs,
      after,
      sleep: (delayMs, signal) => sleepBy(after, delayMs, signal),
    };
  }
}
