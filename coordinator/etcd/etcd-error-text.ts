import { errorText } from '../../src/error-text.ts';

/** What went wrong with a call to etcd, without the words of gRPC. */
export function etcdErrorText(cause: unknown): string {
  const text = errorText(cause);
  if (/^\d+ DEADLINE_EXCEEDED\b/.test(text)) return 'etcd does not answer in time';
  const unconnected =
    /No connection established\. Last error: (?:Error: )?(.*?)\.? *Resolution note:/s;
  const why = unconnected.exec(text)?.[1];
  if (why !== undefined) return `etcd cannot be reached: ${why}`;
  return `etcd: ${text.replace(/^\d+ [A-Z_]+: /, '')}`;
}
