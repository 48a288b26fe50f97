import { z } from 'zod';

import type { Bus, BusMessage, BusSubscription } from '../../src/bus/bus.ts';
import { subjectRest, type Subjects } from '../../src/bus/subjects.ts';
import { Id, isId } from '../../src/ids.ts';
import type { PeerMessages } from '../mac/peer-messages.ts';
import { SealedNote } from '../mac/statements.ts';
import type { Counted } from '../run/context.ts';
import { readBody } from './body.ts';
import { MAX_WHY } from './hand-over.ts';
import { settleOperation } from './operations.ts';
import type { Router } from './router.ts';

const AnsweredNotice = z.object({ keys: z.array(z.string()), by: Id, ...SealedNote });
const LeavingNotice = z.object({ replicaId: Id, busy: z.array(Id), ...SealedNote });
const PlacedNotice = z.object({
  instanceId: Id,
  by: Id,
  to: Id.optional(),
  forMs: z.number().min(0),
  why: z.string().max(MAX_WHY),
  ...SealedNote,
});
// A note of an older version does not name its sender.
const SettleNotice = z.object({ by: Id.optional(), ...SealedNote });

const DueNotice = z.object({ by: Id, ...SealedNote });

/** What {@link PeerNotes} needs from the rest of the replica. */
export interface PeerNotesOptions {
  bus: Bus;
  subjects: Subjects;
  router: Pick<Router, 'answered' | 'draining' | 'placed' | 'take'>;
  /** Tells the notes of other replicas from what anybody else publishes. */
  messages: Pick<PeerMessages, 'believes'>;
  /** The earliest time at which a message may have arrived. */
  arrivedAtMs: () => number;
  count: (event: Counted) => void;
  /**
   * A genuine note of another replica was heard.
   *
   * @param answered whether it has answered a broadcast that came here too
   */
  heard: (replicaId: string, answered: boolean) => void;
  /** Another replica says that something is due. */
  dueAnnounced: () => void;
}

/**
 * Takes in what other replicas tell, unasked. A note that is not genuine, or was heard before, is
 * counted, and disturbs nothing. No note ends what the log has to end, and none proves that a
 * process is alive.
 */
export class PeerNotes {
  readonly #options: PeerNotesOptions;

  constructor(options: PeerNotesOptions) {
    this.#options = options;
  }

  /** Subscribes. */
  open(): BusSubscription[] {
    const { bus, subjects } = this.#options;
    return [
      bus.subscribe(subjects.all('settle'), (m) => this.#settle(m)),
      bus.subscribe(subjects.answered, (m) => this.#answered(m)),
      bus.subscribe(subjects.leaving, (m) => this.#leaving(m)),
      bus.subscribe(subjects.placed, (m) => this.#placed(m)),
      bus.subscribe(subjects.due, (m) => this.#due(m)),
    ];
  }

  #settle(message: BusMessage): void {
    const { router, messages, arrivedAtMs } = this.#options;
    const instanceId = subjectRest(message.subject);
    const read = this.#read('settle', SettleNotice, message);
    if (read === undefined) return;
    if (!isId(instanceId)) {
      this.#options.count({ what: 'malformed', verb: 'settle' });
      return;
    }
    const { by = '', ...sealed } = read;
    if (messages.believes(by, { note: 'settle', instanceId }, sealed))
      router.take(settleOperation(instanceId, arrivedAtMs()), () => undefined);
  }

  #answered(message: BusMessage): void {
    const { router, messages, heard } = this.#options;
    const read = this.#read('answered', AnsweredNotice, message);
    if (read === undefined) return;
    const { keys, by, ...sealed } = read;
    if (messages.believes(by, { note: 'answered', keys }, sealed))
      heard(by, router.answered(keys, by));
  }

  #leaving(message: BusMessage): void {
    const { router, messages } = this.#options;
    const read = this.#read('leaving', LeavingNotice, message);
    if (read === undefined) return;
    const { replicaId, busy, ...sealed } = read;
    if (messages.believes(replicaId, { note: 'leaving', busy }, sealed))
      router.draining(replicaId, new Set(busy));
  }

  #placed(message: BusMessage): void {
    const { router, messages } = this.#options;
    const read = this.#read('placed', PlacedNotice, message);
    if (read === undefined) return;
    const { count, mac, ...placed } = read;
    if (messages.believes(placed.by, { note: 'placed', ...placed }, { count, mac }))
      router.placed(placed);
  }

  #due(message: BusMessage): void {
    const { messages, dueAnnounced } = this.#options;
    const read = this.#read('due', DueNotice, message);
    if (read === undefined) return;
    const { by, ...sealed } = read;
    if (messages.believes(by, { note: 'due' }, sealed)) dueAnnounced();
  }

  #read<T>(verb: string, schema: z.ZodType<T>, message: BusMessage): T | undefined {
    const read = readBody(schema, message.data);
    if (read.ok) return read.value;
    this.#options.count({ what: 'malformed', verb });
    return undefined;
  }
}
