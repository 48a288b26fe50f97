import type { TlsTexts } from './tls-texts.ts';

/** How to reach NATS, and the credentials for it. */
export interface NatsConfig {
  servers: string[];
  /** Reads the certificate files, each time it is called. */
  tls?: () => TlsTexts;
  auth?:
    | { username: string; password: string }
    | { token: string }
    /** Reads the file, each time it is called. */
    | { credentials: () => string };
  inboxPrefix?: string;
}

/** How to reach etcd, and the credentials for it. */
export interface EtcdConfig {
  urls: string[];
  /** Reads the certificate files, each time it is called. */
  tls?: () => TlsTexts;
  auth?: { username: string; password: string };
}
