/**
 * How many keys etcd has under a prefix. It asks etcd's HTTP gateway, so that the count shares
 * nothing with the client that holds the leases.
 *
 * @throws Error if etcd does not answer
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
  if (!response.ok) throw new Error(`counting keys: etcd answered ${response.status}`);
  // The gateway omits a zero, and writes other numbers as strings.
  const { count = '0' } = (await response.json()) as { count?: string };
  return Number(count);
}

/** The prefix of a namespace's leases. */
export function leasePrefix(namespace: string): string {
  return `/leasehold/${namespace}/leases/`;
}
