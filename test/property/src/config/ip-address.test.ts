import { BlockList } from 'node:net';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { contains, parseIp, parseNetwork } from '../../../../src/config/ip-address.ts';

const RUNS = { numRuns: 2_000 };

/** Whether the address is in the network, says Node. */
function nodeSays(address: string, network: string): boolean {
  const [base = '', prefix = ''] = network.split('/');
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), base.includes(':') ? 'ipv6' : 'ipv4');
  return list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

describe('an address', () => {
  it('lies in the networks that Node says it lies in', () => {
    const ofV4 = fc
      .tuple(fc.ipV4(), fc.ipV4(), fc.nat(32))
      .map(([address, base, prefix]) => [address, `${base}/${prefix}`] as const);
    const ofV6 = fc
      .tuple(fc.ipV6(), fc.ipV6(), fc.nat(128))
      .map(([address, base, prefix]) => [address, `${base}/${prefix}`] as const);
    const near = fc
      .oneof(ofV4, ofV6)
      .map(([address, network]) => [address, `${address}/${network.split('/')[1] ?? ''}`] as const);
    fc.assert(
      fc.property(fc.oneof(ofV4, ofV6, near), ([address, networkText]) => {
        const ip = parseIp(address);
        const network = parseNetwork(networkText);
        if (ip === undefined || network === undefined || ip.bits !== network.base.bits) return;
        // Node does not take an IPv4-mapped network for one of IPv4.
        if (ip.bits === 32 && networkText.includes(':')) return;
        expect(contains(network, ip)).toBe(nodeSays(address, networkText));
      }),
      RUNS,
    );
  });

  it('is the same in every spelling', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV6(), fc.ipV4()), (address) => {
        const isV6 = address.includes(':');
        const spelled = new URL(`http://${isV6 ? `[${address}]` : address}/`).hostname;
        expect(parseIp(spelled.replace(/[[\]]/g, ''))).toEqual(parseIp(address));
        const mapped = isV6 ? address : `::ffff:${address}`;
        expect(parseIp(mapped)).toEqual(parseIp(address));
      }),
      RUNS,
    );
  });
});
