import { connect, credsAuthenticator } from 'nats';
import type { ConnectionOptions } from 'nats';

import { errorText } from '../error-text.ts';
import type { Bus } from './bus.ts';
import { NatsBus } from './nats-bus.ts';

/** How to reach NATS, and how to authenticate there. */
export interface BusOptions {
  /** Such as `nats://127.0.0.1:4222`; any one of them will do. */
  servers: string[];
  /** What the server's monitoring shows for this connection. */
  name: string;
  /**
   * Called for every problem that was survived: lost connections, handlers that threw, dropped
   * messages.
   */
  onWarning?: ((message: string, cause?: unknown) => void) | undefined;
  /** PEM texts. An empty object asks for TLS with the system's trust store. */
  tls?:
    { ca?: string | undefined; cert?: string | undefined; key?: string | undefined } | undefined;
  /** At most one of the three. `credentials` is the text of a `.creds` file. */
  auth?:
    | { username: string; password: string }
    | { token: string }
    | { credentials: string }
    | undefined;
  /** After two unanswered pings the connection counts as lost. */
  pingIntervalMs?: number | undefined;
  /** Keeps trying when no server can be reached at first, until `signal` aborts. */
  waitOnFirstConnect?: boolean | undefined;
  /** How long one attempt to connect may take. */
  connectTimeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const MIN_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 500;
/** How often the warning that NATS cannot be reached is repeated. */
const WARN_INTERVAL_MS = 10_000;

/**
 * Connects to NATS.
 *
 * Once connected it never gives up: it reconnects every 100 to 500 ms after a loss and restores the
 * subscriptions.
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
      const servers = options.servers.join(', ');
      const failure = new Error(
        `cannot connect to NATS at ${servers} (${errorText(cause)}); is nats-server running there?`,
        { cause },
      );
      if (options.waitOnFirstConnect !== true) throw failure;
      if (performance.now() - warnedAt >= WARN_INTERVAL_MS) {
        warnedAt = performance.now();
        warn(`${failure.message} Retrying.`, cause);
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
    // By default the client closes for good after the same authentication error twice in a row,
    // even when its cause is temporary.
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

function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
