import { PeerMessages } from '../../../../advancer/mac/peer-messages.ts';
import type { ReplicaRecord } from '../../../../coordinator/leases.ts';
import { newSecret, type NamespaceSecret } from '../../../../coordinator/secrets.ts';

/** A replica's messages, with what it did not believe and whom it did not know. */
export interface Member {
  messages: PeerMessages;
  /** The secrets that it has; a test may change them. */
  secrets: NamespaceSecret[];
  /** Who is registered, as it sees it; a test may change that. */
  registered: ReplicaRecord[];
  /** `<kind> <reason>` of everything that it did not believe. */
  ignored: string[];
  unknown: string[];
}

/** A replica that has a secret; without `secrets`, one that nobody else has. */
export function member(
  replicaId: string,
  secrets: NamespaceSecret[] = [newSecret()],
  namespace = 'test',
): Member {
  const made = { secrets, registered: [], ignored: [], unknown: [] } as unknown as Member;
  made.messages = new PeerMessages({
    namespace,
    leases: { replicaId, secrets: () => made.secrets, registered: () => made.registered },
    unauthenticated: { note: (kind, reason) => made.ignored.push(`${kind} ${reason}`) },
    onUnknownSender: (sender) => made.unknown.push(sender),
  });
  return made;
}

/** The record of a replica that opens messages sealed with these secrets. */
export function record(replicaId: string, secretIds: readonly string[]): ReplicaRecord {
  return { replicaId, name: replicaId, pid: 1, httpUrl: '', mac: 1, secretIds };
}
