/**
 * How many keys etcd has under a prefix, by its HTTP gateway: whoever counts must share nothing
 * with who holds them.
 *
 * @throws Error when etcd does not answer
 */
export async function countKeys(etcdUrl: string, prefix: string): Promise<number> {
  const from = Buffer.from(prefix);
  const to = Buffer.from(from);
  to[to.length - 1] = (to.at(-1) ?? 0) + 1;
  const response = await fetch(`${etcdUrl}/v3/kv/range`, {
    method: 'POST',
    body: JSON.stringify({
      key: from.toString('base64'),
      range_end: to.toString('base64'),
      count_only: true,
    }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`etcd answered ${response.status} when its keys were counted`);
  // The gateway leaves a zero out, and writes other numbers as text.
  const { count = '0' } = (await response.json()) as { count?: string };
  return Number(count);
}

/** The prefix of a namespace's leases. */
export function leasePrefix(namespace: string): string {
  return `/leasehold/${namespace}/leases/`;
}
