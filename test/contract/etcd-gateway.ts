/** A key in etcd. */
export interface EtcdKey {
  key: string;
  value: unknown;
  createRevision: number;
  modRevision: number;
  /** The lease that it is attached to; `0` for none. */
  lease: string;
}

interface Answer {
  kvs?: {
    key: string;
    value: string;
    create_revision: string;
    mod_revision: string;
    lease?: string;
  }[];
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const text = (encoded: string): string => Buffer.from(encoded, 'base64').toString('utf8');

/** Every key with the prefix, read through etcd's HTTP gateway; values are parsed as JSON. */
export async function keysUnder(etcdUrl: string | undefined, prefix: string): Promise<EtcdKey[]> {
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  const response = await fetch(`${etcdUrl ?? ''}/v3/kv/range`, {
    method: 'POST',
    body: JSON.stringify({ key: base64(prefix), range_end: base64(end) }),
  });
  if (!response.ok) throw new Error(`etcd answered ${response.status}: ${await response.text()}`);
  const { kvs = [] } = (await response.json()) as Answer;
  return kvs.map((kv) => ({
    key: text(kv.key),
    value: JSON.parse(text(kv.value)) as unknown,
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    lease: kv.lease ?? '0',
  }));
}
