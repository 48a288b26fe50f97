import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';

import { echo } from '../../tools/chaos/echo.ts';
import { undoIdOf, type EffectPlan, type Life, type Move } from './life.ts';

/** An effect that arrived. */
export interface Arrival {
  instanceId: string;
  cellId: string;
  key: string;
  token: number;
  move: Move;
  /** Wall clock of this machine. */
  atMs: number;
}

/** Whether the receiver acted. */
export function acted({ move }: Arrival): boolean {
  return move === 'ok' || move === 'lose';
}

/** What an effect whose life is not known gets, such as a child's. */
const DEFAULT: Pick<EffectPlan, 'moves' | 'delayMs'> = { moves: ['ok'], delayMs: 5 };

/**
 * The world that effects happen to. It does what the plan of each life says, notes it before it
 * answers, and repeats the secret that it was sent in every form that it can think of.
 */
export class Receiver {
  readonly #server: Server;
  readonly #ledgerFile: string;
  readonly #arrivals: Arrival[] = [];
  readonly #plans = new Map<string, Pick<EffectPlan, 'moves' | 'delayMs'>>();
  readonly #counts = new Map<string, number>();
  readonly #acted = new Set<string>();
  readonly #listeners = new Map<string, Set<() => void>>();

  private constructor(ledgerFile: string) {
    this.#ledgerFile = ledgerFile;
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.keepAliveTimeout = 120_000;
  }

  /** @param ledgerFile where commands note their effects */
  static async start(ledgerFile: string): Promise<Receiver> {
    const receiver = new Receiver(ledgerFile);
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Knows the plan of a life from now on. */
  admit({ instanceId, cells }: Life): void {
    for (const cell of cells) {
      if (cell.type !== 'effect') continue;
      this.#plans.set(`${instanceId}/${cell.id}`, cell.effect);
      if (cell.undo !== undefined) this.#plans.set(`${instanceId}/${undoIdOf(cell.id)}`, cell.undo);
    }
  }

  /** Resolves once `count` effects of a cell have arrived by http, or the signal aborts. */
  arrived(place: string, count: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const listeners = this.#listeners.get(place) ?? new Set();
      this.#listeners.set(place, listeners);
      const look = (): void => {
        if ((this.#counts.get(place) ?? 0) < count && !signal.aborted) return;
        listeners.delete(look);
        signal.removeEventListener('abort', look);
        resolve();
      };
      listeners.add(look);
      signal.addEventListener('abort', look);
      look();
    });
  }

  /** Whether the effect with this key has happened. */
  happened(key: string): boolean {
    return this.#acted.has(key) || this.#commands().some((arrival) => arrival.key === key);
  }

  /** Everything that arrived, by time. */
  all(): Arrival[] {
    return [...this.#arrivals, ...this.#commands()].sort((a, b) => a.atMs - b.atMs);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** What commands noted. One that says no, or breaks off before it acts, notes nothing. */
  #commands(): Arrival[] {
    return readFileSync(this.#ledgerFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [instanceId = '', cellId = '', key = '', token, move, at] = line.split(' ');
        const place = { instanceId, cellId, key };
        return { ...place, token: Number(token), move: move as Move, atMs: Number(at) };
      });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const [, what = '', instanceId = '', cellId = ''] = (request.url ?? '').split('/');
    const key = String(request.headers['idempotency-key']);
    const said = String(request.headers.authorization);
    request.resume();
    if (what === 'probe') {
      const answer = this.happened(key)
        ? { answer: 'happened', output: { ok: true, ...echo(said) } }
        : { answer: 'did_not_happen' };
      reply(response, 200, said, answer);
      return;
    }
    const place = `${instanceId}/${cellId}`;
    const { moves, delayMs } = this.#plans.get(place) ?? DEFAULT;
    const nth = this.#counts.get(place) ?? 0;
    const planned = moves[Math.min(nth, moves.length - 1)] ?? 'ok';
    // It knows the key: it does not say no to what it has done.
    const move = planned === 'refuse' && this.#acted.has(key) ? 'ok' : planned;
    const token = Number(request.headers['leasehold-fencing-token']);
    const arrival: Arrival = { instanceId, cellId, key, token, move, atMs: Date.now() };
    this.#arrivals.push(arrival);
    if (acted(arrival)) this.#acted.add(key);
    this.#counts.set(place, nth + 1);
    for (const listener of this.#listeners.get(place) ?? []) listener();
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (move === 'lose' || move === 'drop') request.socket.destroy();
    else if (move === 'refuse') reply(response, 422, said, { error: `declined for ${said}` });
    else reply(response, 201, said, { ok: true, key, ...echo(said) });
  }
}

function reply(response: ServerResponse, status: number, said: string, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-said': said });
  response.end(JSON.stringify(body));
}
