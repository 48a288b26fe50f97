import { Etcd3 } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import { once, shunSilentHosts } from './hosts.ts';

/** How to reach etcd. */
export interface EtcdOptions {
  /** One URL or several, all `http://` or all `https://`. */
  hosts: string | string[];
  /**
   * For TLS: the authority's certificate, and the client's key and certificate if etcd asks for
   * one.
   */
  credentials?: { rootCertificate: Buffer; privateKey?: Buffer; certChain?: Buffer } | undefined;
  /** For password authentication. Client certificates are to be preferred. */
  auth?: { username: string; password: string } | undefined;
  /** The deadline of each call, in milliseconds. Keep it well below half the TTL. Default 1,000. */
  callTimeoutMs?: number | undefined;
  clock?: Clock | undefined;
}

/**
 * A client of the whole cluster, or of those of its members that are named. It connects when it is
 * first used.
 */
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
    // A stream lives on; every other call has a deadline, since etcd3 gives it none.
    defaultCallOptions: ({ isStream }) =>
      isStream ? {} : { deadline: clock.wallMs() + callTimeoutMs },
    grpcOptions: {
      // A connection of one's own: a call that timed out drops it, and the next one dials anew.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
      // Finds out a silent connection under a watch; etcd refuses pings more often than every 5 s.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.max_receive_message_length': -1,
    },
  });
}
