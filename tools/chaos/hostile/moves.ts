import type { Random } from '../random.ts';
import type { Hearsay, OverheardQuestion, Recent } from './hearsay.ts';

/** Something that the hostile client publishes. */
export interface HostileMessage {
  subject: string;
  data: Buffer;
  reply?: string | undefined;
}

/** What a move draws on. */
export interface MoveContext {
  root: string;
  heard: Hearsay;
  random: Random;
  /** A new number each time, for ids. */
  count: () => number;
}

/** A kind of hostile message. */
export interface Move {
  name: string;
  /** How often it is made, relative to the others. */
  weight: number;
  /** undefined while the client has not heard enough. */
  make: (context: MoveContext) => HostileMessage | undefined;
}

const LARGE_BODY = 60_000;
const LARGEST_TOKEN = Number.MAX_SAFE_INTEGER;
const NO_RUN = { runs: false, began: false };
/** The client's own inbox, which the server lets it have. */
const INBOX = '_INBOX.hostile';

/** Every move: forged and replayed statements, floods and garbage. */
export const MOVES: readonly Move[] = [
  {
    name: 'forged leaving',
    weight: 6,
    make: ({ root, heard, random }) =>
      drawn(random, heard.replicas, (replicaId) =>
        json(`${root}leaving`, {
          replicaId,
          busy: [],
          counter: LARGEST_TOKEN,
          mac: fakeMac(random),
        }),
      ),
  },
  {
    name: 'forged answer',
    weight: 6,
    make: ({ heard, random }) =>
      drawn(random, heard.questions, (question) => forgedAnswer(question, random)),
  },
  {
    name: 'answer replayed',
    weight: 6,
    make: ({ heard, random }) =>
      drawn(random, heard.answers, ({ data }) =>
        drawn(random, heard.questions, ({ reply }) => ({ subject: reply, data })),
      ),
  },
  {
    name: 'forged question',
    weight: 6,
    make: ({ root, heard, random }) =>
      drawn(random, heard.attempts, ({ instanceId, cellId, attempt }) =>
        drawn(random, heard.replicas, (replicaId) => ({
          ...json(`${root}replica.${replicaId}`, {
            ask: 'runs',
            instanceId,
            cellId,
            // Also attempts that are still to come, to have them renounced beforehand.
            attempt: attempt + random.int(0, 2),
            fencingToken: LARGEST_TOKEN,
          }),
          reply: INBOX,
        })),
      ),
  },
  {
    name: 'question replayed',
    weight: 3,
    make: ({ root, heard, random }) =>
      drawn(random, heard.questions, ({ body }) =>
        drawn(random, heard.replicas, (replicaId) => ({
          subject: `${root}replica.${replicaId}`,
          data: body,
          reply: INBOX,
        })),
      ),
  },
  {
    name: 'statement replayed',
    weight: 6,
    make: ({ heard, random }) =>
      drawn(random, heard.statements, ({ subject, data }) => ({ subject, data })),
  },
  {
    name: 'forged answered notice',
    weight: 6,
    make: ({ root, heard, random }) =>
      drawn(random, heard.requests, ({ instanceId, requestId }) =>
        drawn(random, heard.replicas, (by) =>
          json(`${root}answered`, {
            keys: [`advance ${instanceId} ${requestId}`, `${instanceId}/${requestId}`, requestId],
            by,
          }),
        ),
      ),
  },
  {
    name: 'forged placement',
    weight: 4,
    make: ({ root, heard, random }) =>
      drawn(random, heard.instances, (instanceId) =>
        drawn(random, heard.replicas, (by) =>
          json(`${root}placed`, {
            instanceId,
            by,
            forMs: 60_000,
            why: 'the hostile client says so',
          }),
        ),
      ),
  },
  {
    name: 'forged settle',
    weight: 4,
    make: ({ root, heard, random }) =>
      drawn(random, heard.instances, (instanceId) => json(`${root}settle.${instanceId}`, {})),
  },
  {
    name: 'forged receipt',
    weight: 6,
    make: ({ heard, random, count }) =>
      drawn(random, heard.requests, ({ instanceId, requestId, reply }) =>
        json(reply ?? `_INBOX.chaos.${count()}`, {
          requestId,
          instanceId,
          outcome: 'completed',
          steps: [],
          nextCellId: null,
          holder: null,
        }),
      ),
  },
  {
    name: 'forged event',
    weight: 3,
    make: ({ root, heard, random }) =>
      drawn(random, heard.instances, (instanceId) =>
        json(`${root}event.${instanceId}`, { instanceId, rows: [], status: 'completed' }),
      ),
  },
  {
    name: 'flood: advance of no instance',
    weight: 20,
    make: ({ root, count }) => ({
      ...json(`${root}advance.nobody-${count()}`, {
        requestId: `hostile-${count()}`,
        agentId: 'hostile',
        wait: true,
      }),
      reply: INBOX,
    }),
  },
  {
    name: 'flood: advance of an instance',
    weight: 10,
    make: ({ root, heard, random, count }) =>
      drawn(random, heard.instances, (instanceId) => ({
        // A cell that no runbook has: refused, but read, remembered and answered first.
        ...json(`${root}advance.${instanceId}`, {
          requestId: `hostile-${count()}`,
          agentId: 'hostile',
          cellId: 'nowhere',
        }),
        reply: INBOX,
      })),
  },
  {
    name: 'flood: large start',
    weight: 1,
    make: ({ root, count }) => ({
      ...json(`${root}start`, {
        instanceId: `hostile-${count()}`,
        runbookId: 'no-such-runbook',
        inputs: { large: 'x'.repeat(LARGE_BODY) },
        agentId: 'hostile',
      }),
      reply: INBOX,
    }),
  },
  {
    name: 'reply to a forbidden subject',
    weight: 4,
    make: ({ root, heard, random, count }) =>
      drawn(random, heard.replicas, (replicaId) => ({
        ...json(`${root}advance.nobody-${count()}`, {
          requestId: `hostile-${count()}`,
          agentId: 'hostile',
        }),
        reply: random.pick([
          '$JS.API.STREAM.PURGE.ANY',
          '$JS.API.STREAM.DELETE.ANY',
          `${root}replica.${replicaId}`,
          `${root}leaving`,
        ]),
      })),
  },
  {
    name: 'garbage',
    weight: 10,
    make: ({ root, heard, random, count }) => {
      const ids = [...heard.replicas.all, ...heard.instances.all, `g${count()}`];
      const subject = random.pick([
        'start',
        'answered',
        'leaving',
        'placed',
        'due',
        ...['replica', 'advance', 'decide', 'status', 'claim', 'event', 'settle'].map(
          (verb) => `${verb}.${random.pick(ids)}`,
        ),
      ]);
      return { subject: root + subject, data: garbage(random), reply: INBOX };
    },
  },
];

/** The forged answer to a question: "I do not run it, and never began". */
export function forgedAnswer(
  { replicaId, reply }: OverheardQuestion,
  random: Random,
): HostileMessage {
  return json(reply, { ...NO_RUN, replicaId, mac: fakeMac(random) });
}

function drawn<T>(
  random: Random,
  { all }: Recent<T>,
  make: (item: T) => HostileMessage | undefined,
): HostileMessage | undefined {
  return all.length === 0 ? undefined : make(random.pick(all));
}

function json(subject: string, body: object): HostileMessage {
  return { subject, data: Buffer.from(JSON.stringify(body)) };
}

function fakeMac(random: Random): string {
  return Buffer.from(Array.from({ length: 32 }, () => random.int(0, 255))).toString('base64');
}

function garbage(random: Random): Buffer {
  switch (random.int(0, 3)) {
    case 0:
      return Buffer.from(Array.from({ length: random.int(0, 200) }, () => random.int(0, 255)));
    case 1:
      return Buffer.from('['.repeat(random.int(1, 5_000)));
    case 2:
      return Buffer.from(JSON.stringify({ requestId: -1, agentId: { a: [] }, ask: 'runs' }));
    default:
      return Buffer.alloc(0);
  }
}
