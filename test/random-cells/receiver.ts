import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

import { exchangeOf, type Exchange } from './exchanges.ts';
import type { Entry, Ledger } from './ledger.ts';
import { INSTEAD, type MoveName } from './moves.ts';
import { wordOf, type RandomCell, type Word } from './random-cell.ts';

/** How long a receiver that does not answer keeps a connection. */
const SILENCE_MS = 5_000;

/**
 * The world that http cells call: plain sockets, so that it can break off anywhere. It does what
 * the plan of each cell says, and notes what it knows before it answers.
 *
 * A cell whose plan says something about the connection itself has an address to itself
 * (127.x.y.z), because nothing has been sent when it must be recognized.
 */
export class Receiver {
  readonly #ledger: Ledger;
  readonly #cells = new Map<string, RandomCell>();
  readonly #servers = new Map<string, Server>();
  readonly #arrivals = new Map<string, number>();
  readonly #sockets = new Set<Socket>();
  #port = 0;

  private constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  static async start(ledger: Ledger): Promise<Receiver> {
    const receiver = new Receiver(ledger);
    const server = createServer((socket) => receiver.#serve(socket));
    await listen(server, 0, '127.0.0.1');
    receiver.#port = (server.address() as AddressInfo).port;
    receiver.#servers.set('127.0.0.1', server);
    return receiver;
  }

  /** Where a cell's calls lead; nobody may listen there yet. */
  async admit(cell: RandomCell): Promise<string> {
    this.#cells.set(cell.instanceId, cell);
    if (cell.obstacle === 'not_allowed') return 'http://169.254.169.254';
    const closed = cell.obstacle === 'closed' || cell.obstacle === 'closed_first';
    const alone = closed || cell.plan.some((word) => word.startsWith('unsent'));
    const address = alone ? addressOf(cell.instanceId) : '127.0.0.1';
    if (alone && !closed) await this.open(cell);
    return `http://${address}:${this.#port}`;
  }

  /** Listens at a cell's own address from now on. */
  async open(cell: RandomCell): Promise<void> {
    const address = addressOf(cell.instanceId);
    if (this.#servers.has(address)) return;
    const server = createServer((socket) => this.#greet(socket, cell));
    this.#servers.set(address, server);
    await listen(server, this.#port, address);
  }

  /** The cell has ended. */
  dismiss({ instanceId }: RandomCell): void {
    const address = addressOf(instanceId);
    this.#servers.get(address)?.close();
    this.#servers.delete(address);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      [...this.#servers.values()].map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  /** May answer a connection before it is asked anything. */
  #greet(socket: Socket, cell: RandomCell): void {
    const { move } = this.#nextWord(cell, false);
    if (!move.startsWith('unsent')) {
      this.#serve(socket);
      return;
    }
    this.#nextWord(cell, true);
    socket.on('error', () => undefined);
    // What arrives all the same is read, and not acted on.
    socket.resume();
    const text = 'HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n';
    socket.end(move === 'unsent-408' ? text : '');
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.setNoDelay(true);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      const request = requestIn(text);
      if (request === undefined) return;
      text = '';
      socket.removeAllListeners('data');
      socket.resume();
      void this.#answer(socket, request);
    });
  }

  async #answer(socket: Socket, request: Request): Promise<void> {
    const [, what, instanceId = '', cellId = ''] = request.path.split('/');
    const cell = this.#cells.get(instanceId);
    const key = request.headers.get('idempotency-key') ?? '-';
    const place = { instanceId, cellId, key };
    if (cell === undefined || cell.cellId !== cellId) {
      // The checker finds that no such cell exists.
      this.#ledger.note({ ...place, ...FROM_NOBODY });
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (what === 'probe') {
      send(socket, this.#probe(place, cell.says));
      return;
    }
    const planned = this.#nextWord(cell, true);
    if (planned.move.endsWith('-late')) await pause(300);
    const token = Number(request.headers.get('leasehold-fencing-token'));
    const from = { ...place, attempt: undefined, token, atMs: Date.now() };
    send(socket, exchangeOf(this.#act(from, planned)));
  }

  /** Does to the key what the word says, notes it, and returns how to answer. */
  #act(from: Omit<Entry, 'knew' | 'move'>, { move, want }: Word): MoveName {
    const noted = (knew: Entry['knew'], instead: MoveName): MoveName => {
      this.#ledger.note({ ...from, knew, move: instead });
      return instead;
    };
    switch (want) {
      case '+':
        if (this.#ledger.settle(from, 'acted') === 'acted') return noted('acted', move);
        return move.startsWith('2')
          ? noted('refused', INSTEAD.http.refused)
          : noted('nothing', move);
      case '!':
        if (this.#ledger.settle(from, 'refused') === 'refused') return noted('refused', move);
        return noted('acted', INSTEAD.http.acted);
      case '.':
        return noted('nothing', move);
    }
  }

  #probe(place: Pick<Entry, 'instanceId' | 'cellId' | 'key'>, says: RandomCell['says']): Exchange {
    const truth =
      this.#ledger.verdictOn(place) === 'acted' ? ('happened' as const) : 'did_not_happen';
    const said = says === 'truth' ? truth : says;
    this.#ledger.noteProbe({ ...place, said });
    if (said === 'fails') return exchangeOf('500');
    const answer =
      said === 'nonsense'
        ? { yes: 'perhaps' }
        : {
            answer: said,
            ...(said === 'happened' ? { output: { done: true, probed: true } } : {}),
          };
    const body = JSON.stringify(answer);
    return { text: `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`, end: 'fin' };
  }

  #nextWord({ instanceId, plan }: RandomCell, take: boolean): Word {
    const nth = this.#arrivals.get(instanceId) ?? 0;
    if (take) this.#arrivals.set(instanceId, nth + 1);
    return wordOf(plan[Math.min(nth, plan.length - 1)] ?? '200-json+');
  }
}

const FROM_NOBODY = {
  attempt: undefined,
  token: undefined,
  knew: 'acted',
  move: 'found',
  atMs: undefined,
} as const;

interface Request {
  path: string;
  headers: Map<string, string>;
}

/** The request that a text is, once all of it has arrived. */
function requestIn(text: string): Request | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const [line = '', ...lines] = text.slice(0, head).split('\r\n');
  const headers = new Map(
    lines.map((one) => {
      const colon = one.indexOf(':');
      return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
    }),
  );
  const length = Number(headers.get('content-length') ?? 0);
  if (text.length < head + 4 + length) return undefined;
  return { path: line.split(' ')[1] ?? '', headers };
}

function send(socket: Socket, { text, end }: Exchange): void {
  if (text.length > 0) socket.write(text);
  switch (end) {
    case 'fin':
      socket.end();
      return;
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'silence':
      setTimeout(() => socket.destroy(), SILENCE_MS).unref();
  }
}

/** An address of this machine for one instance: 127.1.0.0 and above. */
function addressOf(instanceId: string): string {
  const nth = Number(instanceId.slice(1));
  return `127.${1 + ((nth >> 16) & 127)}.${(nth >> 8) & 255}.${nth & 255}`;
}

function listen(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
