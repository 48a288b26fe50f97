import { connect } from 'node:net';
import type { Socket } from 'node:net';

import { sleep } from '../sleep.ts';

/** One message as it came from the server. */
export interface RawMessage {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Buffer;
}

/** How a raw connection is opened. */
export interface RawNatsOptions {
  host: string;
  port: number;
  user?: string | undefined;
  password?: string | undefined;
  /** Subjects to listen to, wildcards included. */
  listenTo: readonly string[];
  onMessage: (message: RawMessage) => void;
  /** The server refused something, such as a publish that the user's permissions forbid. */
  onRefused: (text: string) => void;
}

const CRLF = '\r\n';
const RECONNECT_MS = 200;
/** A connection with more unsent bytes than this takes no further messages until it drains. */
const MAX_UNSENT = 4 << 20;

/**
 * A connection that speaks the NATS protocol itself. A hostile client needs what the product's bus
 * rightly refuses: any subject, any reply subject, any bytes. Connects again until closed.
 */
export class RawNats {
  readonly #options: RawNatsOptions;
  #socket: Socket | undefined;
  #input: Buffer = Buffer.alloc(0);
  #closed = false;

  constructor(options: RawNatsOptions) {
    this.#options = options;
    this.#open();
  }

  /** @returns false if it was not sent: no connection, or too much is unsent */
  publish(subject: string, data: Buffer, reply?: string): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.connecting || socket.writableLength > MAX_UNSENT)
      return false;
    const head = `PUB ${subject} ${reply === undefined ? '' : `${reply} `}${data.length}${CRLF}`;
    socket.write(Buffer.concat([Buffer.from(head), data, Buffer.from(CRLF)]));
    return true;
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  #open(): void {
    const { host, port, user, password, listenTo } = this.#options;
    const socket = connect(port, host);
    this.#input = Buffer.alloc(0);
    socket.on('connect', () => {
      const login = { verbose: false, pedantic: false, lang: 'raw', version: '1', protocol: 1 };
      socket.write(`CONNECT ${JSON.stringify({ ...login, user, pass: password })}${CRLF}`);
      listenTo.forEach((subject, index) => socket.write(`SUB ${subject} ${index + 1}${CRLF}`));
      this.#socket = socket;
    });
    socket.on('data', (chunk: Buffer) => this.#read(socket, chunk));
    // An error is followed by a close.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#socket = undefined;
      if (!this.#closed) void sleep(RECONNECT_MS).then(() => this.#closed || this.#open());
    });
  }

  #read(socket: Socket, chunk: Buffer): void {
    let input = this.#input.length === 0 ? chunk : Buffer.concat([this.#input, chunk]);
    for (;;) {
      const lineEnd = input.indexOf(CRLF);
      if (lineEnd === -1) break;
      const line = input.toString('latin1', 0, lineEnd);
      const from = lineEnd + CRLF.length;
      if (line.startsWith('MSG ')) {
        const words = line.split(' ');
        const size = Number(words.at(-1));
        if (input.length < from + size + CRLF.length) break;
        const [, subject = ''] = words;
        const reply = words.length === 5 ? words[3] : undefined;
        this.#options.onMessage({ subject, reply, data: input.subarray(from, from + size) });
        input = input.subarray(from + size + CRLF.length);
        continue;
      }
      if (line === 'PING') socket.write(`PONG${CRLF}`);
      else if (line.startsWith('-ERR')) this.#options.onRefused(line);
      input = input.subarray(from);
    }
    this.#input = input;
  }
}
