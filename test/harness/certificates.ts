import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

/*
 * Certificates for tests of TLS, made without any program or package: X.509 version 3 in DER, with
 * keys on the curve P-256.
 */

/** A key, and a certificate for it, as PEM texts. */
export interface Certificate {
  cert: string;
  key: string;
}

/** What to certify. */
export interface CertificateOptions {
  /** The common name. Default: `localhost`. */
  name?: string;
  /** Which hosts it is for. Default: `localhost` and `127.0.0.1`. */
  hosts?: readonly string[];
  /** When its validity begins, in seconds from now. Default: an hour ago. */
  fromS?: number;
  /** When its validity ends, in seconds from now. Default: in an hour. */
  untilS?: number;
}

/** A certificate authority. Its certificates are for servers and for clients. */
export class TestAuthority {
  /** Its own certificate as PEM text. */
  readonly ca: string;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name = `test CA ${randomBytes(4).toString('hex')}`) {
    const { privateKey, publicKey } = newKeys();
    this.#name = name;
    this.#key = privateKey;
    this.ca = this.#certify({ name, publicKey, fromS: -3_600, untilS: 3_600 });
  }

  issue({
    name = 'localhost',
    hosts = HOSTS,
    fromS = -3_600,
    untilS = 3_600,
  }: CertificateOptions = {}): Certificate {
    const { privateKey, publicKey } = newKeys();
    const cert = this.#certify({ name, publicKey, fromS, untilS, hosts });
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  #certify(subject: {
    name: string;
    publicKey: KeyObject;
    fromS: number;
    untilS: number;
    /** Undefined for an authority. */
    hosts?: readonly string[];
  }): string {
    const spki = subject.publicKey.export({ type: 'spki', format: 'der' });
    const body = sequence(
      der(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      ECDSA_WITH_SHA256,
      commonName(this.#name),
      sequence(time(subject.fromS), time(subject.untilS)),
      commonName(subject.name),
      spki,
      der(0xa3, sequence(...extensions(subject.hosts, spki))),
    );
    const signature = sign('sha256', body, this.#key);
    return pem(sequence(body, ECDSA_WITH_SHA256, bitString(signature)));
  }
}

function newKeys() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, ...contents: Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const size =
    length < 0x80
      ? [length]
      : length < 0x100
        ? [0x81, length]
        : [0x82, Math.floor(length / 0x100), length % 0x100];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...contents: Buffer[]): Buffer {
  return der(0x30, ...contents);
}

function integer(bytes: Buffer): Buffer {
  return der(0x02, bytes);
}

function octets(bytes: Buffer): Buffer {
  return der(0x04, bytes);
}

function bitString(bytes: Buffer, unusedBits = 0): Buffer {
  return der(0x03, Buffer.from([unusedBits]), bytes);
}

/** An object identifier whose numbers are below 2^14. */
function oid(...numbers: number[]): Buffer {
  const [first = 0, second = 0, ...rest] = numbers;
  const bytes = rest.flatMap((n) => (n < 0x80 ? [n] : [0x80 | (n >> 7), n & 0x7f]));
  return der(0x06, Buffer.from([first * 40 + second, ...bytes]));
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid(2, 5, 4, 3), der(0x0c, Buffer.from(name)))));
}

function time(inS: number): Buffer {
  const iso = new Date(Date.now() + inS * 1_000).toISOString();
  return der(0x17, Buffer.from(`${iso.slice(2, 19).replaceAll(/[-:T]/g, '')}Z`));
}

const TRUE = der(0x01, Buffer.from([0xff]));
const ECDSA_WITH_SHA256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2));

const HOSTS = ['localhost', '127.0.0.1'];

function extensions(hosts: readonly string[] | undefined, spki: Buffer): Buffer[] {
  return hosts === undefined ? authorityExtensions(spki) : leafExtensions(hosts);
}

function authorityExtensions(spki: Buffer): Buffer[] {
  return [
    // Basic constraints, key usage (signs certificates and revocation lists), key identifier.
    sequence(oid(2, 5, 29, 19), TRUE, octets(sequence(TRUE))),
    sequence(oid(2, 5, 29, 15), TRUE, octets(bitString(Buffer.from([0b0000_0110]), 1))),
    sequence(oid(2, 5, 29, 14), octets(octets(createHash('sha1').update(spki).digest()))),
  ];
}

function leafExtensions(hosts: readonly string[]): Buffer[] {
  const names = hosts.map((host) =>
    isIPv4(host)
      ? der(0x87, Buffer.from(host.split('.').map(Number)))
      : der(0x82, Buffer.from(host)),
  );
  return [
    // Key usage (signs), extended key usage (servers, clients), alternative names.
    sequence(oid(2, 5, 29, 15), TRUE, octets(bitString(Buffer.from([0b1000_0000]), 7))),
    sequence(
      oid(2, 5, 29, 37),
      octets(sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1), oid(1, 3, 6, 1, 5, 5, 7, 3, 2))),
    ),
    sequence(oid(2, 5, 29, 17), octets(sequence(...names))),
  ];
}
