import { errorText } from '../error-text.ts';
import { validityProblem, type TlsNames, type TlsTexts } from './tls-texts.ts';

/** Names of what a person would correct, such as `LEASEHOLD_NATS_CERT_FILE`. */
export interface ServerNames extends TlsNames {
  /** What the server is called, such as `NATS`. */
  server: string;
  /** The variable that holds its address. */
  url: string;
  /** Where credentials are configured, as in "set ...". */
  credentials: string;
  /** How an address asks for TLS, such as `tls://`. */
  tlsAddress: string;
}

/** Why a connection was refused although a server is there. */
export interface ConnectionTrouble {
  kind: 'tls' | 'authentication';
  /** A sentence that names what to correct, without a full stop. */
  advice: string;
}

/** Names of the properties that a failed connection may have. */
interface Failure {
  code?: unknown;
  message?: unknown;
  cause?: unknown;
  chainedError?: unknown;
}

const SERVER_LACKS_TLS =
  /does not support SSL|SERVER_OPT_NA|wrong version number|packet length too long|unknown protocol/i;
const UNTRUSTED_SERVER =
  /SELF_SIGNED_CERT|self-signed certificate|UNABLE_TO_(?:VERIFY|GET_ISSUER)|unable to (?:verify|get)[\w ]* (?:certificate|issuer)|CERT_SIGNATURE_FAILURE|certificate signature failure/i;
const SERVER_EXPIRED = /CERT_HAS_EXPIRED|certificate has expired|CERT_NOT_YET_VALID/i;
const OTHER_NAME = /ALTNAME_INVALID|does not match certificate's altnames/i;
/** What a server that refuses the client's certificate, or the lack of one, sends or does. */
const CLIENT_REFUSED =
  /alert (?:certificate|bad certificate|unsupported certificate|unknown ca|handshake failure|access denied)|requires a valid client certificate|certificate authentication failed/i;
const WANTS_TLS = /no pg_hba\.conf entry .*no encryption|SSL off|Secure Connection - TLS Required/i;
const UNAUTHENTICATED =
  /Authorization Violation|AUTHORIZATION_VIOLATION|AUTHENTICATION_|Authentication (?:Timeout|Expired)|BAD_AUTHENTICATION|BAD_CREDS|authentication failed|authentication is not enabled|invalid auth token|user name is empty|permission denied|password must be a string|no pg_hba\.conf entry|^28(?:000|P01)$/im;

/**
 * What is wrong with TLS or with the credentials; undefined if the failure has another reason, such
 * as a server that is down.
 *
 * @param tls what TLS was tried with; undefined where it was not
 */
export function connectionTrouble(
  failure: unknown,
  names: ServerNames,
  tls: TlsTexts | undefined,
  nowMs = Date.now(),
): ConnectionTrouble | undefined {
  const text = fullText(failure);
  const tlsTrouble = (advice: string): ConnectionTrouble => ({ kind: 'tls', advice });
  if (SERVER_LACKS_TLS.test(text)) {
    return tlsTrouble(
      `the server does not offer TLS, and ${names.url} asks for it (nothing was sent): turn on TLS there, or check the address`,
    );
  }
  if (UNTRUSTED_SERVER.test(text)) {
    return tlsTrouble(
      tls?.ca === undefined
        ? `the server's certificate is from an authority that Node.js does not trust: set ${names.ca} to the authority's certificate`
        : `the server's certificate is not from the authority in ${names.ca}`,
    );
  }
  if (SERVER_EXPIRED.test(text))
    return tlsTrouble("the server's certificate has expired, or is not valid yet: renew it there");
  if (OTHER_NAME.test(text))
    return tlsTrouble(
      `the server's certificate is for other names than the host in ${names.url}: write one of its names there`,
    );
  if (CLIENT_REFUSED.test(text)) return tlsTrouble(clientAdvice(names, tls, nowMs));
  if (WANTS_TLS.test(text))
    return tlsTrouble(`the server requires TLS: write ${names.tlsAddress} in ${names.url}`);
  if (UNAUTHENTICATED.test(text)) {
    return {
      kind: 'authentication',
      advice: `the server does not accept the credentials: set ${names.credentials}, and check what they may do`,
    };
  }
  // The reason may be lost with a connection that the server closes at once.
  return tls !== undefined && /ECONNRESET|EPIPE|CONNECTION_CLOSED/.test(text)
    ? tlsTrouble(
        `the server ended the connection: it may be restarting, or ${clientAdvice(names, tls, nowMs)}`,
      )
    : undefined;
}

/**
 * The text of an error without what OpenSSL adds: its texts are a line of places in its source,
 * with the reason in the middle.
 */
export function connectionErrorText(cause: unknown): string {
  return errorText(cause).replace(
    /(?:[0-9A-F]+:)?error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):[^\n)]*\n?/g,
    '$1',
  );
}

/** Marks an error, so that what reports it does not guess that the server is down. */
export function markTrouble<E extends Error>(error: E, kind: ConnectionTrouble['kind']): E {
  return Object.assign(error, { connectionTrouble: kind });
}

/** How an error, or what caused it, was marked. */
export function markedTrouble(error: unknown): ConnectionTrouble['kind'] | undefined {
  for (let next = error, depth = 0; next instanceof Error && depth < 5; depth += 1) {
    const { connectionTrouble: kind } = next as { connectionTrouble?: ConnectionTrouble['kind'] };
    if (kind !== undefined) return kind;
    next = next.cause;
  }
  return undefined;
}

function clientAdvice(names: ServerNames, tls: TlsTexts | undefined, nowMs: number): string {
  if (tls?.cert === undefined)
    return `the server requires a client certificate: set ${names.cert} and ${names.key}`;
  const problem = validityProblem(tls.cert, nowMs);
  return problem === undefined
    ? `the server does not accept the certificate in ${names.cert}: it must be from an authority that the server trusts, and for a user that it knows`
    : `the certificate in ${names.cert} ${problem}: renew it`;
}

/** The codes and messages of an error and of what caused it. */
function fullText(failure: unknown): string {
  const texts: string[] = [];
  for (let next = failure, depth = 0; next instanceof Error && depth < 5; depth += 1) {
    const { code, message, cause, chainedError } = next as Failure;
    texts.push(String(code), String(message));
    if (next instanceof AggregateError) texts.push(...next.errors.map(String));
    next = cause ?? chainedError;
  }
  return texts.join('\n');
}
