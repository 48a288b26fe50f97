import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One effect as it came in. */
export interface Effect {
  /** `instance/cell/run`. */
  key: string;
  token: number;
  /** The attempt, where the sender says (a command does, an http cell has no way to). */
  attempt: number | undefined;
  atMs: number;
  body: unknown;
}

/** How the witness answers an effect. */
export interface Answer {
  status: number;
  body: unknown;
}

/** What the witness answers a probe. */
export type ProbeSays = 'the truth' | 'unknown' | 'nonsense';

/**
 * A system outside, inside the test's own process: it records every effect that reaches it, from
 * any sender, whether or not the sender lives to read the answer. It knows nothing of leases and
 * logs.
 */
export class Witness {
  readonly url: string;
  readonly #server: Server;
  readonly #effects: Effect[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #answers = new Map<string, Answer[]>();
  readonly #held = new Map<string, Promise<void>>();
  /** The answers to probes, by the effect's key; the truth by default. */
  readonly probes = new Map<string, ProbeSays>();
  /** Every probe's question, by key. */
  readonly probed: string[] = [];

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response).catch(() => response.destroy());
    });
  }

  static async start(): Promise<Witness> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Witness(server);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Every effect of an instance (or of one of its cells), in order of arrival. */
  effects(instanceId: string, cellId?: string): Effect[] {
    const prefix = cellId === undefined ? `${instanceId}/` : `${instanceId}/${cellId}/`;
    return this.#effects.filter(({ key }) => key.startsWith(prefix));
  }

  /** Resolves once this many effects of the cell have arrived. */
  arrived(instanceId: string, cellId: string, count: number): Promise<Effect[]> {
    return new Promise((resolve) => {
      const look = (): void => {
        const effects = this.effects(instanceId, cellId);
        if (effects.length < count) return;
        this.#listeners.delete(look);
        resolve(effects);
      };
      this.#listeners.add(look);
      look();
    });
  }

  /** Effects of the cell get no answer until the returned function is called. */
  holdBack(instanceId: string, cellId: string): () => void {
    let release = (): void => undefined;
    this.#held.set(
      `${instanceId}/${cellId}`,
      new Promise<void>((resolve) => {
        release = resolve;
      }),
    );
    return release;
  }

  /** The next effects of the cell are answered with these, in order; then with 201 again. */
  answerWith(instanceId: string, cellId: string, ...answers: Answer[]): void {
    this.#answers.set(`${instanceId}/${cellId}`, answers);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const key = headerOf(request, 'idempotency-key') ?? 'no-key';
    if (request.method === 'GET') {
      this.probed.push(key);
      answer(response, { status: 200, body: this.#probe(key) });
      return;
    }
    const text = Buffer.concat(chunks).toString('utf8');
    const attempt = headerOf(request, 'attempt');
    this.#effects.push({
      key,
      token: Number(headerOf(request, 'leasehold-fencing-token')),
      attempt: attempt === undefined ? undefined : Number(attempt),
      atMs: performance.now(),
      body: text === '' ? undefined : JSON.parse(text),
    });
    for (const listener of this.#listeners) listener();
    const cell = key.split('/').slice(0, 2).join('/');
    await this.#held.get(cell);
    const planned = this.#answers.get(cell)?.shift();
    answer(response, planned ?? { status: 201, body: { key, count: this.#count(key) } });
  }

  #probe(key: string): unknown {
    switch (this.probes.get(key) ?? 'the truth') {
      case 'unknown':
        return { answer: 'unknown', why: 'the witness will not say' };
      case 'nonsense':
        return { yes: 'perhaps' };
      case 'the truth': {
        const count = this.#count(key);
        return count > 0
          ? { answer: 'happened', output: { key, count, probed: true } }
          : { answer: 'did_not_happen' };
      }
    }
  }

  #count(key: string): number {
    return this.#effects.filter((effect) => effect.key === key).length;
  }
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function answer(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
