import { checkServerIdentity, type PeerCertificate } from 'node:tls';

import { connect, credsAuthenticator } from 'nats';
import type { Authenticator, ConnectionOptions, NatsConnection, TlsOptions } from 'nats';

import { natsAddress } from '../config/addresses.ts';
import {
  connectionErrorText,
  connectionTrouble,
  markTrouble,
  type ServerNames,
} from '../config/connection-trouble.ts';
import { keepingLast, tlsVariables, type TlsTexts } from '../config/tls-texts.ts';
import { LogThrottle } from '../log-throttle.ts';
import { withoutCredentials } from '../redaction.ts';
import { watchConnection } from './heartbeat.ts';
import { NatsBus } from './nats-bus.ts';
import { Outage } from './outage.ts';

/** How to reach NATS, and how to authenticate there. */
export interface BusOptions {
  /**
   * Such as `nats://127.0.0.1:4222`; any one of them will do. With `tls://`, nothing is sent to a
   * server that does not speak TLS. They have no user or password: see `auth`.
   */
  servers: string[];
  /** What the server's monitoring shows for this connection. */
  name: string;
  /**
   * Called for every problem that was survived: lost connections, handlers that threw, dropped
   * messages.
   */
  onWarning?: ((message: string, cause?: unknown) => void) | undefined;
  /**
   * What TLS needs. An empty object asks for TLS with the authorities that Node.js trusts. A
   * function is called for every new connection, so that replaced certificates are used.
   */
  tls?: TlsTexts | (() => TlsTexts) | undefined;
  /**
   * At most one of the three. `credentials` is the text of a `.creds` file, or a function that is
   * called for every new connection.
   */
  auth?:
    | { username: string; password: string }
    | { token: string }
    | { credentials: string | (() => string) }
    | undefined;
  /** Replies are received on subjects under this one. Default: `_INBOX`. */
  inboxPrefix?: string | undefined;
  /** Replies are sent to subjects under these only, such as `_INBOX.`. Default: to any. */
  replyPrefixes?: readonly string[] | undefined;
  /** Called for each reply that is not sent because of its subject. */
  onRefusedReply?: (() => void) | undefined;
  /** After three of these without an answer to a ping, or anything else, it counts as lost. */
  pingIntervalMs?: number | undefined;
  /** Keeps trying when no server can be reached at first, until `signal` aborts. */
  waitOnFirstConnect?: boolean | undefined;
  /** How long one attempt to connect may take. */
  connectTimeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

const PING_INTERVAL_MS = 2_000;
/** The longest that a timer can wait. */
const NEVER_MS = 2 ** 31 - 1;
const MIN_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 500;

/**
 * Connects to NATS.
 *
 * Once connected it never gives up: it reconnects every 100 to 500 ms after a loss and restores the
 * subscriptions. With a `tls://` address, or with `tls`, nothing is sent to a server that does not
 * speak TLS or whose certificate does not hold.
 *
 * @throws RangeError for a server's address that cannot be used
 * @throws Error when no server can be reached (with `waitOnFirstConnect`: when `signal` aborts
 *   first)
 */
export async function connectBus(options: BusOptions): Promise<NatsBus> {
  const warn = options.onWarning ?? (() => {});
  const servers = addresses(options.servers);
  const tls = tlsOf(
    options.tls ?? (servers[0]?.startsWith('tls:') === true ? {} : undefined),
    warn,
  );
  const how = connectionOptions(options, servers, tls);
  const throttle = new LogThrottle();
  for (;;) {
    try {
      const connection = await connectOnce(how);
      watchConnection(connection, options.pingIntervalMs ?? PING_INTERVAL_MS);
      const { inboxPrefix, replyPrefixes, onRefusedReply } = options;
      const outage = new Outage(
        () =>
          tryToConnect(how).catch((cause: unknown) => {
            throw notConnected(servers, cause, tls);
          }),
        warn,
      );
      return new NatsBus({ connection, warn, inboxPrefix, replyPrefixes, onRefusedReply, outage });
    } catch (cause) {
      const failure = notConnected(servers, cause, tls);
      if (options.waitOnFirstConnect !== true) throw failure;
      if (throttle.admit(performance.now()) !== undefined)
        warn(`${failure.message} Retrying.`, cause);
      await pause(reconnectDelayMs(), options.signal);
      if (options.signal?.aborted === true) throw failure;
    }
  }
}

/**
 * If the server closes a connection before it is established, as it does when it refuses a
 * certificate, a client that may reconnect says nothing but TIMEOUT, after all of that time. So
 * with TLS, a client that may not reconnect connects first.
 */
async function connectOnce(options: ConnectionOptions): Promise<NatsConnection> {
  if (options.tls !== undefined) await tryToConnect(options);
  return connect(options);
}

async function tryToConnect(options: ConnectionOptions): Promise<void> {
  const connection = await connect({ ...options, reconnect: false });
  await connection.close();
}

const NAMES: ServerNames = {
  ...tlsVariables('LEASEHOLD_NATS'),
  server: 'NATS',
  url: 'LEASEHOLD_NATS_URLS',
  credentials:
    'LEASEHOLD_NATS_USERNAME and LEASEHOLD_NATS_PASSWORD, LEASEHOLD_NATS_TOKEN or LEASEHOLD_NATS_CREDS_FILE',
  tlsAddress: 'tls://',
};

/** The error for a connection that did not come about. */
function notConnected(servers: string[], cause: unknown, tls: TlsOptions | undefined): Error {
  const trouble = connectionTrouble(cause, NAMES, tls);
  const advice = trouble?.advice ?? 'is nats-server running there?';
  const where = `NATS at ${withoutCredentials(servers.join(', '))}`;
  const why = connectionErrorText(cause);
  const failure = new Error(`cannot connect to ${where} (${why}); ${advice}`, { cause });
  return trouble === undefined ? failure : markTrouble(failure, trouble.kind);
}

/** The client ignores the scheme, and a user and password too. */
function addresses(servers: readonly string[]): string[] {
  const urls = servers.map((server) => {
    const read = natsAddress(server.includes('://') ? server : `nats://${server}`);
    if (!read.ok)
      throw new RangeError(`${JSON.stringify(withoutCredentials(server))} ${read.problem}`);
    return read.url;
  });
  const secure = urls.filter((url) => url.startsWith('tls:')).length;
  if (secure > 0 && secure < urls.length)
    throw new RangeError('the servers mix nats:// and tls://; use one for all');
  return urls;
}

/** Options whose texts are read again for every new connection. */
function tlsOf(tls: BusOptions['tls'], warn: (problem: string) => void): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  const texts = typeof tls === 'function' ? keepingLast(tls, warn) : () => tls;
  const options: TlsOptions = {};
  for (const name of ['ca', 'cert', 'key'] as const) {
    if (texts()[name] !== undefined)
      Object.defineProperty(options, name, { enumerable: true, get: () => texts()[name] });
  }
  return options;
}

function connectionOptions(
  options: BusOptions,
  servers: string[],
  tls: TlsOptions | undefined,
): ConnectionOptions {
  const { auth } = options;
  return {
    servers,
    name: options.name,
    timeout: options.connectTimeoutMs ?? 5_000,
    // See `watchConnection`, which looks at more than the answers to pings.
    pingInterval: NEVER_MS,
    maxReconnectAttempts: -1,
    // By default the client closes for good after the same authentication error twice in a row,
    // even when its cause is temporary.
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: reconnectDelayMs,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls: withIdentityCheck(tls, servers) }),
    ...(auth === undefined
      ? {}
      : 'credentials' in auth
        ? { authenticator: credentials(auth.credentials) }
        : 'token' in auth
          ? { token: auth.token }
          : { user: auth.username, pass: auth.password }),
  };
}

/**
 * The client checks a certificate against `localhost` wherever the address is an IP address. So the
 * check is against that address: any of those that are configured, since the client does not say
 * which one it is.
 */
function withIdentityCheck(tls: TlsOptions, servers: string[]): TlsOptions {
  const hosts = servers.map((server) => new URL(server).hostname.replace(/^\[(.*)\]$/, '$1'));
  const check = (host: string, certificate: PeerCertificate): Error | undefined => {
    const wanted = host !== 'localhost' && hosts.includes(host) ? [host] : hosts;
    const problems = wanted.map((one) => checkServerIdentity(one, certificate));
    return problems.includes(undefined) ? undefined : problems[0];
  };
  // The client hands on what its type does not name.
  Object.assign(tls, { checkServerIdentity: check });
  return tls;
}

function credentials(text: string | (() => string)): Authenticator {
  const encoder = new TextEncoder();
  return (nonce) => {
    // Once per connection: the client would read it twice, and might get two versions of it.
    const bytes = encoder.encode(typeof text === 'string' ? text : text());
    return credsAuthenticator(bytes)(nonce);
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
