import { Etcd3 } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import type { TlsTexts } from '../../src/config/tls-texts.ts';
import { once, shunSilentHosts } from './hosts.ts';

/** How to reach etcd. */
export interface EtcdOptions {
  /** One URL or several, all `http://` or all `https://`. */
  hosts: string | string[];
  /**
   * For TLS: the authorities to trust, and the client's certificate and key if etcd requires one. A
   * function is called from time to time, and new connections use what it returns. With `https://`
   * and without `tls`, the system's trust store is used.
   */
  tls?: TlsTexts | (() => TlsTexts) | undefined;
  /** For password authentication. Prefer client certificates. */
  auth?: { username: string; password: string } | undefined;
  /** The deadline of each call, in milliseconds. Keep it well below half the TTL. Default 1,000. */
  callTimeoutMs?: number | undefined;
  /** Called when the certificates cannot be read again. */
  onWarning?: ((message: string) => void) | undefined;
  clock?: Clock | undefined;
}

/** What a client is made of. */
export interface EtcdClientOptions {
  hosts: string | string[];
  tls: TlsTexts | undefined;
  auth: EtcdOptions['auth'];
  callTimeoutMs: number;
  clock: Clock;
}

/** A client of the members in `hosts`. It connects on first use. */
export function etcdClient(options: EtcdClientOptions): Etcd3 {
  const { hosts, tls, auth, callTimeoutMs, clock } = options;
  return new Etcd3({
    hosts,
    ...(tls === undefined ? {} : { credentials: credentials(tls) }),
    ...(auth === undefined ? {} : { auth }),
    faultHandling: { global: once, host: shunSilentHosts(clock) },
    // A stream stays open; every other call needs a deadline, and etcd3 sets none.
    defaultCallOptions: ({ isStream }) =>
      isStream ? {} : { deadline: clock.wallMs() + callTimeoutMs },
    grpcOptions: {
      // Not shared with other clients: a call that timed out drops it, and the next one reconnects.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      // Detects a dead connection under a watch; etcd rejects pings more often than every 5 s.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.max_receive_message_length': -1,
    },
  });
}

function credentials({ ca, cert, key }: TlsTexts) {
  return {
    // Only its type requires it: without it, gRPC trusts what the system trusts.
    rootCertificate: bytes(ca) as Buffer,
    ...(cert !== undefined && { certChain: bytes(cert) as Buffer }),
    ...(key !== undefined && { privateKey: bytes(key) as Buffer }),
  };
}

function bytes(text: string | undefined): Buffer | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'utf8');
}
