import {
  connectionErrorText,
  connectionTrouble,
  markTrouble,
  type ServerNames,
} from '../../src/config/connection-trouble.ts';
import { tlsVariables, type TlsTexts } from '../../src/config/tls-texts.ts';
import { StoreUnavailable } from '../store.ts';

const NAMES: ServerNames = {
  ...tlsVariables('LEASEHOLD_ETCD'),
  server: 'etcd',
  url: 'LEASEHOLD_ETCD_URLS',
  credentials: 'LEASEHOLD_ETCD_USERNAME and LEASEHOLD_ETCD_PASSWORD',
  tlsAddress: 'https://',
};

/** How etcd was reached, for the advice in errors. */
export interface EtcdAccess {
  /** Whether the addresses are `https://`. */
  secure: boolean;
  tls: TlsTexts | undefined;
}

/** The error for a call to etcd that failed; its text has no words of gRPC. */
export function etcdUnavailable(cause: unknown, { secure, tls }: EtcdAccess): StoreUnavailable {
  const text = etcdErrorText(cause);
  const trouble = connectionTrouble(cause, NAMES, tls) ?? (secure ? undefined : wantsTls(text));
  if (trouble === undefined) return new StoreUnavailable(text, { cause });
  const error = new StoreUnavailable(`${text}; ${trouble.advice}`, { cause });
  return markTrouble(error, trouble.kind);
}

function etcdErrorText(cause: unknown): string {
  const text = connectionErrorText(cause);
  if (/^\d+ DEADLINE_EXCEEDED\b/.test(text)) return 'etcd does not answer in time';
  const unconnected =
    /No connection established\. Last error: (?:Error: )?(.*?)\.?\s*(?:\([\dTZ:.-]+\)\.? *)?Resolution note:/s;
  const why = unconnected.exec(text)?.[1];
  if (why !== undefined) return `etcd cannot be reached: ${why}`;
  return `etcd: ${text.replace(/^\d+ [A-Z_]+: /, '')}`;
}

/** A server that requires TLS ends a connection without it, and gives no reason. */
function wantsTls(text: string) {
  return /Failed to connect|socket hang up|Connection dropped/.test(text)
    ? ({
        kind: 'tls',
        advice: `the server ends the connection at once: if it requires TLS, write https:// in ${NAMES.url}`,
      } as const)
    : undefined;
}
