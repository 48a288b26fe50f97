import type { Timer } from '../../src/time/clock.ts';
import type { Port, Trap, TrapAct, TrapPoint } from './schedule.ts';
import type { SimProcess, World } from './world.ts';

/** How often calls and messages are lost. Probabilities are per call or message. */
export interface Weather {
  /** A call is lost before it reaches the server. */
  lostCall: number;
  /** A call is applied, and its answer lost. */
  lostAnswer: number;
  /** A message is lost. */
  lostMessage: number;
  /** A message arrives twice. */
  doubledMessage: number;
  /** Longest latency of one way, in milliseconds. */
  latencyMs: number;
}

/** Calm: everything arrives, once, soon. */
const CALM: Weather = {
  lostCall: 0,
  lostAnswer: 0,
  lostMessage: 0,
  doubledMessage: 0,
  latencyMs: 2,
};

/** A storm: calls, answers and messages are lost and doubled, and slow. */
export const STORM: Weather = {
  lostCall: 0.1,
  lostAnswer: 0.1,
  lostMessage: 0.1,
  doubledMessage: 0.1,
  latencyMs: 150,
};

/** What a process talks to. */
export type ServerName = 'etcd' | 'postgres' | 'nats';

/** A call that did not get through, or whose answer did not. */
export class CallLost extends Error {
  override readonly name = 'CallLost';
}

/** A trap that was reached. */
export interface Sprung {
  point: TrapPoint;
  act: TrapAct;
  /** Kills or freezes the process; nothing where only the call or its answer is lost. */
  spring: () => void;
}

/** The connections between processes and servers: they can be cut, be slow, and lose messages. */
export class Network {
  weather: Weather = CALM;
  readonly #world: World;
  readonly #down = new Set<ServerName>();
  readonly #cuts = new Set<string>();
  #traps: { trap: Trap; left: number; spring: (process: SimProcess) => void }[] = [];
  /** Called with each trap that was reached. */
  onSprung: (trap: Trap) => void = () => undefined;

  constructor(world: World) {
    this.#world = world;
  }

  setDown(server: ServerName, down: boolean): void {
    if (down) this.#down.add(server);
    else this.#down.delete(server);
  }

  setCut(process: SimProcess, server: ServerName, cut: boolean): void {
    const line = `${process.name}/${server}`;
    if (cut) this.#cuts.add(line);
    else this.#cuts.delete(line);
  }

  /** Sets a trap for the replica that makes a certain call. */
  trap(trap: Trap, spring: (process: SimProcess) => void): void {
    this.#traps.push({ trap, left: trap.nth, spring });
  }

  /** The trap that this call springs, if any. */
  sprungAt(process: SimProcess, port: Port, call: string): Sprung | undefined {
    const set = this.#traps.find(({ trap }) => trap.port === port && trap.call === call);
    if (set === undefined) return undefined;
    set.left -= 1;
    if (set.left > 0) return undefined;
    this.#traps = this.#traps.filter((other) => other !== set);
    this.onSprung(set.trap);
    const { point, act } = set.trap;
    return { point, act, spring: act === 'lose' ? () => undefined : () => set.spring(process) };
  }

  /** The storm is over; what is cut or down stays so. */
  calm(): void {
    this.weather = CALM;
  }

  /** Everything works again. */
  heal(): void {
    this.#down.clear();
    this.#cuts.clear();
    this.#traps = [];
    this.calm();
  }

  open(process: SimProcess, server: ServerName): boolean {
    return !this.#down.has(server) && !this.#cuts.has(`${process.name}/${server}`);
  }

  latencyMs(): number {
    return this.#world.random.between(0.1, this.weather.latencyMs);
  }

  /**
   * One call of a process to a server. What was sent is applied even if the process dies meanwhile.
   * When the call or its answer is lost, the process hears nothing until its own time-out, and then
   * a {@link CallLost}.
   *
   * @param apply what the server does; runs in the server, at one moment
   */
  call<T>(
    process: SimProcess,
    server: ServerName,
    { name, timeoutMs }: { name: string; timeoutMs: number },
    apply: () => T | Promise<T>,
  ): Promise<T> {
    const trap = this.sprungAt(process, server, name);
    return new Promise<T>((resolve, reject) => {
      if (trap?.point === 'before' && trap.act !== 'lose') {
        // Whatever runs in the process now runs on to its next wait; then it is caught. What wakes
        // again hears nothing.
        process.deliver(0, () => {
          trap.spring();
          process.deliver(0, () =>
            reject(new CallLost(`${process.name} was caught before it reached ${server}`)),
          );
        });
        return;
      }
      const deadline: Timer = process.deliver(timeoutMs, () =>
        reject(new CallLost(`${server} did not answer ${process.name}`)),
      );
      const answerLost = trap?.point === 'applied' && trap.act === 'lose';
      const answer = (say: () => void): void => {
        if (
          answerLost ||
          !this.open(process, server) ||
          this.#world.random.chance(this.weather.lostAnswer)
        )
          return;
        process.deliver(this.latencyMs(), () => {
          deadline.cancel();
          say();
          if (trap?.point === 'answered') trap.spring();
        });
      };
      // Before the call, a trap can only lose it.
      if (trap?.point === 'before' || this.#world.random.chance(this.weather.lostCall)) return;
      this.#world.at(this.latencyMs(), () => {
        if (!this.open(process, server)) return;
        if (trap?.point === 'applied') this.#world.at(0, trap.spring);
        void (async () => apply())().then(
          (value) => answer(() => resolve(value)),
          (error: Error) => answer(() => reject(error)),
        );
      });
    });
  }
}
