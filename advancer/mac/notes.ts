import type { Leases } from '../../coordinator/leases.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Subjects } from '../../src/bus/subjects.ts';
import type { PeerMessages } from './peer-messages.ts';
import type { Note } from './statements.ts';

/** What {@link Notes} needs. */
export interface NotesOptions {
  bus: Pick<Bus, 'publish'>;
  subjects: Subjects;
  messages: Pick<PeerMessages, 'note'>;
  leases: Pick<Leases, 'replicaId' | 'registered'>;
  /** Tells a replica how far this one's notes have come; see `NoteCounts`. */
  introduce: (replicaId: string) => void;
}

/**
 * What this replica tells all others, unasked. Best effort: a note may be lost, and without a
 * secret none is sent, because nobody would believe it.
 */
export class Notes {
  readonly #options: NotesOptions;
  #introducedTo: ReturnType<Leases['registered']> | undefined;

  constructor(options: NotesOptions) {
    this.#options = options;
  }

  /** Seals a note and publishes it. */
  send(note: Note): void {
    this.#introduce();
    const { bus, subjects, messages, leases } = this.#options;
    const { replicaId } = leases;
    const sealed = messages.note(note);
    if (sealed === undefined) return;
    switch (note.note) {
      case 'leaving':
        bus.publish(subjects.leaving, { replicaId, busy: [...note.busy], ...sealed });
        return;
      case 'answered':
        bus.publish(subjects.answered, { keys: [...note.keys], by: replicaId, ...sealed });
        return;
      case 'placed': {
        const { instanceId, to, forMs, why } = note;
        const named = to === undefined ? {} : { to };
        bus.publish(subjects.placed, {
          instanceId,
          by: replicaId,
          ...named,
          forMs,
          why,
          ...sealed,
        });
        return;
      }
      case 'settle':
        bus.publish(subjects.settle(note.instanceId), { by: replicaId, ...sealed });
        return;
      case 'due':
        bus.publish(subjects.due, { by: replicaId, ...sealed });
    }
  }

  /**
   * Before a note to replicas that have come since the last one: those that started together may
   * not know each other yet, and would not believe it.
   */
  #introduce(): void {
    const { leases, introduce } = this.#options;
    const registered = leases.registered();
    if (registered === this.#introducedTo) return;
    this.#introducedTo = registered;
    for (const { replicaId } of registered) introduce(replicaId);
  }
}
