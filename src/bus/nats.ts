import { connect, credsAuthenticator, Events } from 'nats';
import type { ConnectionOptions, Msg, NatsConnection } from 'nats';

import { errorText } from '../error-text.ts';
import type { Json } from '../json.ts';
import type { Bus, BusMessage, BusReply, BusSubscription } from './bus.ts';
import { Questions } from './questions.ts';

/** How to reach and be known to the message bus. */
export interface BusOptions {
  /** Such as `nats://127.0.0.1:4222`; any one of them will do. */
  servers: string[];
  /** What the server's monitoring shows for this connection. */
  name: string;
  /**
   * Everything that went wrong and was survived: lost connections, handlers that threw, dropped
   * messages.
   */
  onWarning?: ((message: string, cause?: unknown) => void) | undefined;
  /** PEM texts. An empty object asks for TLS with the machine's own trust store. */
  tls?:
    { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  /** At most one of the three families. `credentials` is the text of a `.creds` file. */
  auth?:
    | { username: string; password: string }
    | { token: string }
    | { credentials: string }
    | undefined;
  /** After two pings without an answer the connection counts as lost. */
  pingIntervalMs?: number | undefined;
  /** Goes on trying when no server can be reached at first, until `signal` aborts. */
  waitOnFirstConnect?: boolean | undefined;
  /** How long one attempt to connect may take. */
  connectTimeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const MIN_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 500;
const FLUSH_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
const WARN_AGAIN_MS = 10_000;

/**
 * Connects to NATS; the one place that knows its client package.
 *
 * Once connected it never gives up: a lost connection is tried again every 100 to 500 ms, and
 * subscriptions come back with it.
 *
 * @throws Error when no server can be reached (with `waitOnFirstConnect`: when `signal` aborts
 *   first)
 */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const warn = options.onWarning ?? (() => {});
  let warnedAt = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      return new NatsBus(await connect(connectionOptions(options)), warn);
    } catch (cause) {
      const where = options.servers.join(', ');
      const failure = new Error(
        `cannot connect to NATS at ${where} (${errorText(cause)}); is nats-server running there?`,
        {
          cause,
        },
      );
      if (options.waitOnFirstConnect !== true) throw failure;
      if (performance.now() - warnedAt >= WARN_AGAIN_MS) {
        warnedAt = performance.now();
        warn(`${failure.message} Trying again.`, cause);
      }
      await pause(reconnectDelayMs(), options.signal);
      if (options.signal?.aborted === true) throw failure;
    }
  }
}

function connectionOptions(options: BusOptions): ConnectionOptions {
  const { tls, auth } = options;
  return {
    servers: options.servers,
    name: options.name,
    timeout: options.connectTimeoutMs ?? 5_000,
    pingInterval: options.pingIntervalMs ?? 2_000,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    // Otherwise the same refusal twice in a row ends the client for good, however passing its
    // cause.
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: reconnectDelayMs,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls: defined(tls) }),
    ...(auth === undefined
      ? {}
      : 'credentials' in auth
        ? { authenticator: credsAuthenticator(new TextEncoder().encode(auth.credentials)) }
        : 'token' in auth
          ? { token: auth.token }
          : { user: auth.username, pass: auth.password }),
  };
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #warn: (message: string, cause?: unknown) => void;
  readonly #subscriptions = new Set<BusSubscription>();
  readonly #questions: Questions;
  readonly #listeners: ((connected: boolean) => void)[] = [];
  /** Ends whatever waits for the server, when the connection breaks. */
  readonly #waiting = new Set<() => void>();
  #outbox: {
    subject: string;
    data: Uint8Array;
    onFault: (cause: unknown) => void;
    reply: string | undefined;
  }[] = [];
  #connected = true;
  #closing: Promise<void> | undefined;

  constructor(connection: NatsConnection, warn: (message: string, cause?: unknown) => void) {
    this.#connection = connection;
    this.#warn = (message, cause) => guarded(() => warn(message, cause));
    this.#questions = new Questions(connection, this.#warn);
    void this.#follow();
  }

  connected(): boolean {
    return this.#connected && !this.#connection.isClosed();
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  publish(subject: string, body: Json): void {
    // The client would keep the message only until its next attempt to connect: better dropped
    // always than at times.
    if (!this.connected()) return;
    const dropped = (cause: unknown): void =>
      this.#warn(`a message to ${subject} was dropped (${errorText(cause)})`, cause);
    const data = encoded(body);
    if (data.byteLength <= this.#maxPayload) this.#send(subject, data, dropped);
    else
      dropped(
        new RangeError(
          `it has ${data.byteLength} bytes and the message bus carries ${this.#maxPayload}`,
        ),
      );
  }

  /** The largest body that the server takes, in bytes. */
  get #maxPayload(): number {
    return this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
  }

  /**
   * Sends at the end of this turn of the event loop, together with all else that is sent in it: the
   * client itself writes to its socket after every continuation that publishes, and a write costs
   * more than a message.
   */
  #send(
    subject: string,
    data: Uint8Array,
    onFault: (cause: unknown) => void,
    reply?: string,
  ): void {
    if (this.#outbox.push({ subject, data, onFault, reply }) === 1)
      setImmediate(() => this.#post());
  }

  #post(): void {
    for (const { subject, data, onFault, reply } of this.#outbox.splice(0)) {
      // What the connection was lost for meanwhile is lost, too.
      if (!this.connected()) return;
      try {
        if (reply === undefined) this.#connection.publish(subject, data);
        else this.#connection.publish(subject, data, { reply });
      } catch (cause) {
        onFault(cause);
      }
    }
  }

  request(subject: string, body: Json, timeoutMs: number): Promise<BusReply> {
    const data = encoded(body);
    const limit = this.#maxPayload;
    if (data.byteLength > limit) {
      const why = `a request of ${data.byteLength} bytes to ${subject} is above the server's ${limit}`;
      return Promise.reject(new RangeError(why));
    }
    if (!this.connected()) return Promise.resolve({ kind: 'disconnected' });
    return this.#questions.ask(subject, timeoutMs, (replyTo, failed) => {
      this.#send(subject, data, failed, replyTo);
    });
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void | Promise<void>,
    options?: { queue?: string },
  ): BusSubscription {
    const failed = (cause: unknown): void => {
      this.#warn(
        `the handler of ${subject} failed (${errorText(cause)}); the message is lost, the next is served`,
        cause,
      );
    };
    const subscription = this.#connection.subscribe(subject, {
      ...(options?.queue === undefined ? {} : { queue: options.queue }),
      // A callback that throws would end all delivery on this connection without a word.
      callback: (error, message) => {
        if (error !== null) {
          this.#warn(
            `the server refused the subscription to ${subject} (${errorText(error)})`,
            error,
          );
          return;
        }
        try {
          const handling = handler(this.#incoming(message));
          if (handling !== undefined) handling.catch(failed);
        } catch (cause) {
          failed(cause);
        }
      },
    });
    const handle: BusSubscription = {
      unsubscribe: () => {
        if (this.#subscriptions.delete(handle)) guarded(() => subscription.unsubscribe());
      },
    };
    this.#subscriptions.add(handle);
    return handle;
  }

  #incoming(message: Msg): BusMessage {
    // Where to answer is read out of the message's bytes only for whoever answers.
    return {
      subject: message.subject,
      data: message.data,
      get wantsReply() {
        return hasReply(message);
      },
      reply: (body) => {
        if (hasReply(message) && this.connected()) this.#answer(message.reply, body);
      },
    };
  }

  #answer(to: string, body: Json): void {
    // The subject was chosen by whoever asked.
    const dropped = (cause: unknown): void =>
      this.#warn(`an answer to ${to.slice(0, 128)} was dropped (${errorText(cause)})`, cause);
    const data = encoded(body);
    const limit = this.#maxPayload;
    if (data.byteLength <= limit) {
      this.#send(to, data, dropped);
      return;
    }
    const problem = `the answer has ${data.byteLength} bytes and the message bus carries ${limit}`;
    this.#warn(`${problem}; an error was sent in its place`);
    const message = `${problem}; ask for less (a status without its log), or raise the server's max_payload`;
    this.#send(to, encoded({ error: { code: 'unavailable', message } }), dropped);
  }

  async flush(): Promise<void> {
    await this.#flushed(FLUSH_TIMEOUT_MS);
  }

  async #flushed(timeoutMs: number): Promise<void> {
    if (!this.connected()) return;
    this.#post();
    let stop = (): void => {};
    const given = new Promise<void>((resolve) => {
      stop = resolve;
    });
    this.#waiting.add(stop);
    const timer = setTimeout(stop, timeoutMs);
    try {
      await Promise.race([this.#connection.flush().catch(() => {}), given]);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(stop);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    // Also brings in what the server had sent before it saw that nobody listens any more.
    await this.#flushed(CLOSE_TIMEOUT_MS);
    this.#connected = false;
    this.#breakOff();
    await this.#connection
      .close()
      .catch((cause: unknown) => this.#warn('closing NATS failed', cause));
  }

  /** Follows the connection's losses and returns until it is closed. */
  async #follow(): Promise<void> {
    try {
      for await (const status of this.#connection.status()) {
        if (status.type === Events.Disconnect) this.#turn(false);
        else if (status.type === Events.Reconnect) this.#turn(true);
        else if (status.type === Events.Error) {
          this.#warn(`NATS reports ${JSON.stringify(status.data)}`);
          const denied = status.permissionContext;
          if (denied?.operation === 'publish') this.#questions.breakOff(denied.subject);
        }
      }
    } catch (cause) {
      this.#warn('following the NATS connection failed', cause);
    }
    const cause = await this.#connection.closed();
    if (this.#closing === undefined) {
      this.#turn(false);
      this.#warn('the NATS client gave up; this process must be restarted', cause);
    }
  }

  #turn(connected: boolean): void {
    if (this.#closing !== undefined || this.#connected === connected) return;
    this.#connected = connected;
    if (!connected) this.#breakOff();
    this.#warn(
      connected ? 'connected to NATS again' : 'the connection to NATS was lost; connecting again',
    );
    for (const listener of this.#listeners) {
      try {
        listener(connected);
      } catch (cause) {
        this.#warn('a connection listener failed', cause);
      }
    }
  }

  #breakOff(): void {
    for (const stop of this.#waiting) stop();
    this.#questions.breakOff();
  }
}

function hasReply(message: Msg): message is Msg & { reply: string } {
  return message.reply !== undefined && message.reply !== '';
}

function encoded(body: Json): Uint8Array {
  // Out of the pool of buffers: a text encoder makes each its own memory, which the collector then
  // has to look after.
  return Buffer.from(JSON.stringify(body));
}

function reconnectDelayMs(): number {
  return MIN_RECONNECT_MS + Math.floor(Math.random() * (MAX_RECONNECT_MS - MIN_RECONNECT_MS));
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener('abort', done, { once: true });
  });
}

function guarded(action: () => void): void {
  try {
    action();
  } catch {
    // Nothing that is called here may end delivery.
  }
}

function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
