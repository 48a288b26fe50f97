import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A connection over which nothing has been sent, or why there is none. */
export type Connected =
  { kind: 'connected'; socket: Socket } | { kind: 'failed'; error: Error } | { kind: 'ended' };

/**
 * Opens a new connection to a URL's host, including the TLS handshake. Sends nothing of a request.
 */
export function openConnection(url: URL, end: AbortSignal): Promise<Connected> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const secure = url.protocol === 'https:';
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  return new Promise((resolve) => {
    if (end.aborted) {
      resolve({ kind: 'ended' });
      return;
    }
    const socket: Socket = secure
      ? connectTls({
          host,
          port,
          ALPNProtocols: ['http/1.1'],
          ...(isIP(host) === 0 ? { servername: host } : {}),
        })
      : connectTcp({ host, port });
    const settle = (connected: Connected): void => {
      end.removeEventListener('abort', onEnd);
      socket.off('error', onError);
      socket.off('close', onClose);
      if (connected.kind !== 'connected') {
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(connected);
    };
    const onError = (error: Error): void => settle({ kind: 'failed', error });
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
