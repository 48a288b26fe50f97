import { isIP } from 'node:net';

/** An IPv4 or IPv6 address as a number. An IPv4-mapped IPv6 address is its IPv4 address. */
export interface IpAddress {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** All addresses that share the first `prefix` bits of `base`. */
export interface IpNetwork {
  readonly base: IpAddress;
  readonly prefix: number;
}

const LOW_32 = 0xffff_ffffn;
/** `::ffff:0:0/96`, which stands for the IPv4 addresses. */
const MAPPED = 0xffffn;

/** Reads an address; a zone (`fe80::1%eth0`) is left out. */
export function parseIp(text: string): IpAddress | undefined {
  const address = text.replace(/%.*$/s, '');
  switch (isIP(address)) {
    case 4:
      return { bits: 32, value: v4Value(address) };
    case 6: {
      const value = v6Value(address);
      return value >> 32n === MAPPED ? { bits: 32, value: value & LOW_32 } : { bits: 128, value };
    }
    default:
      return undefined;
  }
}

/** Reads `10.0.0.0/8`, `fd00::/8`, or a single address. */
export function parseNetwork(text: string): IpNetwork | undefined {
  const [address = '', prefixText, ...rest] = text.split('/');
  if (rest.length > 0 || address.includes('%')) return undefined;
  const base = parseIp(address);
  if (base === undefined) return undefined;
  if (prefixText === undefined) return { base, prefix: base.bits };
  if (!/^\d{1,3}$/.test(prefixText)) return undefined;
  // A network of IPv4-mapped addresses counts its prefix in 128 bits.
  const isMapped = base.bits === 32 && address.includes(':');
  const prefix = Number(prefixText) - (isMapped ? 96 : 0);
  return prefix < 0 || prefix > base.bits ? undefined : { base, prefix };
}

/** Whether the address lies in the network. */
export function contains({ base, prefix }: IpNetwork, address: IpAddress): boolean {
  if (base.bits !== address.bits) return false;
  const rest = BigInt(base.bits - prefix);
  return base.value >> rest === address.value >> rest;
}

/**
 * The IPv4 address that an IPv6 address stands for on its way: by NAT64 (`64:ff9b::/96`), by 6to4
 * (`2002::/16`), or as an IPv4-compatible address (`::/96`).
 */
export function embeddedV4({ bits, value }: IpAddress): IpAddress | undefined {
  if (bits === 32) return undefined;
  const high = value >> 32n;
  // `::` and `::1` are addresses in their own right.
  if (high === 0x64_ff9b_0000_0000_0000_0000n || (high === 0n && value > 1n))
    return { bits: 32, value: value & LOW_32 };
  return value >> 112n === 0x2002n ? { bits: 32, value: (value >> 80n) & LOW_32 } : undefined;
}

function v4Value(text: string): bigint {
  return text.split('.').reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function v6Value(text: string): bigint {
  // The last 32 bits may be written as an IPv4 address.
  const hex = text.replace(/\d+\.\d+\.\d+\.\d+$/, (dotted) => {
    const value = v4Value(dotted);
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  });
  const [head = [], tail = []] = hex
    .split('::')
    .map((groups) => groups.split(':').filter((group) => group !== ''));
  const zeros = Array<string>(8 - head.length - tail.length).fill('0');
  return [...head, ...zeros, ...tail].reduce(
    (value, group) => (value << 16n) | BigInt(`0x${group}`),
    0n,
  );
}
