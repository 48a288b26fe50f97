import { Etcd3 } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import { once, shunSilentHosts } from './hosts.ts';

/** How to reach etcd. */
export interface EtcdOptions {
  /** One URL or several, all `http://` or all `https://`. */
  hosts: string | string[];
  /** For TLS: the CA certificate, and the client's key and certificate if etcd requires one. */
  credentials?: { rootCertificate: Buffer; privateKey?: Buffer; certChain?: Buffer } | undefined;
  /** For password authentication. Prefer client certificates. */
  auth?: { username: string; password: string } | undefined;
  /** The deadline of each call, in milliseconds. Keep it well below half the TTL. Default 1,000. */
  callTimeoutMs?: number | undefined;
  clock?: Clock | undefined;
}

/** A client of the whole cluster, or of the members in `hosts`. It connects on first use. */
export function etcdClient(
  options: EtcdOptions,
  clock: Clock,
  callTimeoutMs: number,
  hosts: string | string[] = options.hosts,
): Etcd3 {
  return new Etcd3({
    hosts,
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.auth === undefined ? {} : { auth: options.auth }),
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
