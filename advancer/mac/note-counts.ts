import type { NoteKind } from './statements.ts';

/** Beyond this many senders the oldest is forgotten: it has to be introduced again. */
const MAX_SENDERS = 1_000;

interface Sender {
  /** The count that it had when it was last introduced: every note up to there is old. */
  reached: number;
  /** The count of the newest note of each kind. */
  readonly newest: Map<NoteKind, number>;
}

/**
 * Tells notes that are new from notes that were recorded and sent again: each replica counts the
 * notes that it seals, and each note must have a higher count than the one before of its kind.
 *
 * A process that has started later does not know what a sender has said before. So a sender has to
 * be introduced: its pings and its answers to pings, which belong to one nonce and cannot be
 * repeated, say how far its count has come.
 */
export class NoteCounts {
  readonly #senders = new Map<string, Sender>();

  /** The replica's notes have reached this count. Only from a ping, or the answer to one. */
  introduce(replicaId: string, count: number): void {
    const known = this.#senders.get(replicaId);
    if (known !== undefined) {
      known.reached = Math.max(known.reached, count);
      return;
    }
    this.#senders.set(replicaId, { reached: count, newest: new Map() });
    for (const oldest of this.#senders.keys()) {
      if (this.#senders.size <= MAX_SENDERS) break;
      this.#senders.delete(oldest);
    }
  }

  /** Takes note of an authentic note, if it is new. */
  admit(replicaId: string, kind: NoteKind, count: number): 'new' | 'replayed' | 'unknown_sender' {
    const sender = this.#senders.get(replicaId);
    if (sender === undefined) return 'unknown_sender';
    if (count <= Math.max(sender.reached, sender.newest.get(kind) ?? 0)) return 'replayed';
    sender.newest.set(kind, count);
    return 'new';
  }
}
