import { lookup, type LookupAddress } from 'node:dns';
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { callRefusal, hostOf, portOf, type HttpAllow } from '../../src/config/http-allow.ts';

/** A connection over which nothing has been sent, or why there is none. */
export type Connected =
  | { kind: 'connected'; socket: Socket }
  | { kind: 'failed'; error: Error }
  /** The replica may not call there; no packet was sent. */
  | { kind: 'not_allowed'; why: string }
  | { kind: 'ended' };

/** Where connections may lead, and what ends one that is being opened. */
export interface ConnectionOptions {
  allow: HttpAllow;
  end: AbortSignal;
}

/**
 * Opens a new connection to a URL's host, including the TLS handshake, if the replica may call the
 * address that it leads to. Sends nothing of a request.
 */
export function openConnection(url: URL, { allow, end }: ConnectionOptions): Promise<Connected> {
  const host = hostOf(url);
  const secure = url.protocol === 'https:';
  const port = portOf(url);
  return new Promise((resolve) => {
    if (end.aborted) {
      resolve({ kind: 'ended' });
      return;
    }
    // An address is not looked up.
    const why = isIP(host) === 0 ? undefined : callRefusal(allow, { url, address: host });
    if (why !== undefined) {
      resolve({ kind: 'not_allowed', why });
      return;
    }
    const where = { host, port, lookup: allowedAddresses(url, allow) };
    const socket: Socket = secure
      ? connectTls({
          ...where,
          ALPNProtocols: ['http/1.1'],
          ...(isIP(host) === 0 ? { servername: host } : {}),
        })
      : connectTcp(where);
    const settle = (connected: Connected): void => {
      end.removeEventListener('abort', onEnd);
      socket.off('error', onError);
      socket.off('close', onClose);
      // It may also break before anybody uses it.
      socket.on('error', () => undefined);
      if (connected.kind !== 'connected') socket.destroy();
      resolve(connected);
    };
    const onError = (error: Error): void =>
      settle(
        error instanceof NotAllowed
          ? { kind: 'not_allowed', why: error.message }
          : { kind: 'failed', error },
      );
    const onClose = (): void => onError(new Error('the connection was closed before it was open'));
    const onEnd = (): void => settle({ kind: 'ended' });
    socket.on('error', onError);
    socket.on('close', onClose);
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      socket.setNoDelay(true);
      settle({ kind: 'connected', socket });
    });
    end.addEventListener('abort', onEnd, { once: true });
  });
}

class NotAllowed extends Error {}

/**
 * Looks up a host and leaves only the addresses that the replica may call. The socket connects to
 * nothing but these, so a name that leads elsewhere a moment later changes nothing.
 */
function allowedAddresses(url: URL, allow: HttpAllow): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const allowed: LookupAddress[] = [];
      const refusals: string[] = [];
      for (const found of addresses) {
        const why = callRefusal(allow, { url, address: found.address });
        if (why === undefined) allowed.push(found);
        else refusals.push(why);
      }
      const [first] = allowed;
      if (first === undefined) callback(new NotAllowed(refusals.join('; ')), []);
      else if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
