import { readNamed, tlsTextsProblem, type TlsNames, type TlsTexts } from './tls-texts.ts';
import type { ReadFile } from './read-file.ts';

/** The parameters of a database URL that are about TLS. */
const PARAMETERS = [
  'sslmode',
  'ssl',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslpassword',
  'sslnegotiation',
  'uselibpqcompat',
] as const;

const MODES = [
  'disable',
  'allow',
  'prefer',
  'require',
  'verify-ca',
  'verify-full',
  'no-verify',
] as const;

/** How a client of Postgres uses TLS. */
export interface PostgresTls {
  /** `any`: any certificate; `ca`: one of the CA, for any host; `full`: one for this host. */
  verify: 'any' | 'ca' | 'full';
  /** Reads the files that the URL names, each time. @throws Error that names the parameter */
  read: () => TlsTexts;
  passphrase: string | undefined;
}

/** A database URL without its TLS parameters, and what they ask for. */
export interface PostgresTarget {
  url: string;
  /** `off`: they forbid TLS; undefined: they say nothing, and the client's defaults hold. */
  tls: PostgresTls | 'off' | undefined;
}

/** What is wrong with the TLS parameters of a URL; undefined if nothing is. */
export function postgresTlsProblem(url: URL): string | undefined {
  const { searchParams } = url;
  const mode = searchParams.get('sslmode');
  if (mode !== null && !(MODES as readonly string[]).includes(mode))
    return `has sslmode=${mode}; write one of ${MODES.join(', ')}`;
  const ssl = searchParams.get('ssl');
  if (ssl !== null && !['1', 'true', '0', 'no-verify'].includes(ssl))
    return `has ssl=${ssl}; write sslmode=verify-full or sslmode=disable`;
  const files = ['sslcert', 'sslkey', 'sslrootcert'].filter((name) => searchParams.get(name));
  if ((mode === 'disable' || (mode === null && ssl === '0')) && files[0] !== undefined)
    return `has ${files[0]}, and TLS is off: take it out, or write sslmode=verify-full`;
  for (const [given, missing] of [
    ['sslcert', 'sslkey'],
    ['sslkey', 'sslcert'],
  ] as const)
    if (files.includes(given) && !files.includes(missing)) return `has ${given} and no ${missing}`;
  return undefined;
}

/**
 * Separates the TLS parameters from the rest of a database URL.
 *
 * Every mode but `disable` refuses a server without TLS, before anything is sent to it, and every
 * one but `no-verify` verifies the server's certificate and name. With `uselibpqcompat=true`,
 * `prefer`, `require` and `verify-ca` verify as little as they do in libpq.
 *
 * @param variable holds the URL, for errors
 */
export function postgresTarget(url: string, variable: string, readFile: ReadFile): PostgresTarget {
  const target = new URL(url);
  const [mode, ssl, cert, key, ca, passphrase, negotiation, compat] = PARAMETERS.map(
    (name) => target.searchParams.get(name) ?? undefined,
  );
  for (const name of PARAMETERS) if (name !== 'sslnegotiation') target.searchParams.delete(name);
  const plain = target.toString();
  const asked = mode ?? ssl ?? cert ?? ca ?? negotiation;
  if (asked === undefined) return { url: plain, tls: undefined };
  if (mode === 'disable' || (mode === undefined && ssl === '0')) return { url: plain, tls: 'off' };
  const names = postgresTlsNames(variable);
  const text = (path: string | undefined, name: string): string | undefined =>
    path === undefined ? undefined : readNamed(path, name, readFile);
  return {
    url: plain,
    tls: {
      verify: verifies(mode ?? ssl, compat === 'true', ca !== undefined),
      passphrase,
      read: () => {
        const texts = {
          ca: text(ca, names.ca),
          cert: text(cert, names.cert),
          key: text(key, names.key),
        };
        const problem = tlsTextsProblem(texts, names, passphrase);
        if (problem !== undefined) throw new Error(problem);
        return texts;
      },
    },
  };
}

/** What holds the certificates of a database URL. */
export function postgresTlsNames(variable: string): TlsNames {
  return {
    ca: `sslrootcert in ${variable}`,
    cert: `sslcert in ${variable}`,
    key: `sslkey in ${variable}`,
  };
}

function verifies(
  mode: string | undefined,
  asLibpq: boolean,
  hasCa: boolean,
): PostgresTls['verify'] {
  if (mode === 'no-verify') return 'any';
  if (!asLibpq) return 'full';
  if (mode === 'prefer' || mode === 'allow') return 'any';
  if (mode === 'require') return hasCa ? 'ca' : 'any';
  return mode === 'verify-ca' ? 'ca' : 'full';
}
