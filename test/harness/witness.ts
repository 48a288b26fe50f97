import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One effect, as the world outside saw it. */
export interface Effect {
  /** `Idempotency-Key`: instance/cell/run. */
  key: string;
  /** `Leasehold-Fencing-Token`. */
  token: number;
  body: unknown;
  /** When it arrived, on this process's monotonic clock. */
  atMs: number;
}

/** What the witness saw of the effects that were due, each of which should have happened once. */
export interface Tally {
  missing: string[];
  repeated: string[];
  /** Effects that no request caused. */
  unasked: string[];
}

/** Nothing missing, repeated or unexpected. */
export const EACH_ONCE: Tally = { missing: [], repeated: [], unasked: [] };

/**
 * The world that effects happen to: an HTTP server in the test's own process. It counts what it
 * receives, whatever any log says, and can hold back its answers.
 */
export class Witness {
  readonly effects: Effect[] = [];
  readonly #server: Server;
  readonly #delayMs: (effect: Effect) => number;
  readonly #listeners = new Set<() => void>();
  #held: Promise<void> | undefined;

  private constructor(delayMs: (effect: Effect) => number) {
    this.#delayMs = delayMs;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    // Replicas keep connections open for longer than the default; a connection closed here would be
    // a doubt there.
    this.#server.keepAliveTimeout = 120_000;
  }

  /** @param delayMs how long the answer to an effect takes */
  static async start(delayMs: (effect: Effect) => number = () => 0): Promise<Witness> {
    const witness = new Witness(delayMs);
    await new Promise<void>((resolve) => witness.#server.listen(0, '127.0.0.1', resolve));
    return witness;
  }

  /** Where cells post their effects. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/effects`;
  }

  /** The effects of one idempotency key. */
  of(key: string): Effect[] {
    return this.effects.filter((effect) => effect.key === key);
  }

  /** Compares what was seen with the keys that were due. */
  tally(due: Iterable<string>): Tally {
    const counts = new Map<string, number>();
    for (const { key } of this.effects) counts.set(key, (counts.get(key) ?? 0) + 1);
    const keys = new Set(due);
    return {
      missing: [...keys].filter((key) => !counts.has(key)),
      repeated: [...counts].filter(([, count]) => count > 1).map(([key]) => key),
      unasked: [...counts.keys()].filter((key) => !keys.has(key)),
    };
  }

  /** From now on answers are held back, until the returned function is called. */
  hold(): () => void {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held = held;
    return () => {
      if (this.#held === held) this.#held = undefined;
      release();
    };
  }

  /** Resolves with the answer as soon as the effects seen so far give one. */
  until<T>(look: (effects: readonly Effect[]) => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const listener = (): void => {
        const found = look(this.effects);
        if (found === undefined) return;
        this.#listeners.delete(listener);
        resolve(found);
      };
      this.#listeners.add(listener);
      listener();
    });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const text = Buffer.concat(chunks).toString('utf8');
    const effect: Effect = {
      key: String(request.headers['idempotency-key']),
      token: Number(request.headers['leasehold-fencing-token']),
      body: text === '' ? undefined : JSON.parse(text),
      atMs: performance.now(),
    };
    this.effects.push(effect);
    for (const listener of this.#listeners) listener();
    const delayMs = this.#delayMs(effect);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    await this.#held;
    response.writeHead(201, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ key: effect.key, count: this.of(effect.key).length }));
  }
}
