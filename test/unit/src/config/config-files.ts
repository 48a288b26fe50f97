import { TestAuthority } from '../../../harness/certificates.ts';

/** The least that a replica's environment has. */
export const enough = {
  LEASEHOLD_ETCD_URLS: 'http://127.0.0.1:2379',
  LEASEHOLD_NATS_URLS: 'nats://127.0.0.1:4222',
  LEASEHOLD_DATABASE_URL: 'postgres://leasehold_app:secret@127.0.0.1/leasehold',
};

/** The authority of the certificates. */
export const authority = new TestAuthority();
/** A certificate with its key. */
export const own = authority.issue();
/** The files that there are, by path. */
export const files: Record<string, string> = {
  '/there/ca': authority.ca,
  '/there/cert': own.cert,
  '/there/key': own.key,
  '/there/other-key': authority.issue().key,
  '/there/creds': 'content of the credentials',
  '/there/text': 'no certificate',
};
/** Reads one of them. */
export const file = (path: string): string => {
  if (files[path] !== undefined) return files[path];
  throw new Error(`ENOENT ${path}`);
};
