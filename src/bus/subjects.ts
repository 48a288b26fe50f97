import { isId } from '../ids.ts';

/** The queue group for requests that any replica may answer. */
export const QUEUE_GROUP = 'leasehold';

/**
 * The subjects of one namespace.
 *
 * @throws RangeError for an id outside the alphabet: a space or a line break would inject NATS
 *   protocol, and `*` and `>` would match other subjects.
 */
export function subjects(namespace: string) {
  const root = `leasehold.${token(namespace)}`;
  return {
    namespace,
    start: `${root}.start`,
    /** The cells and the head of a stored runbook. */
    runbookGet: `${root}.runbook.get`,
    /** The rows of one instance or of all. */
    rows: `${root}.rows`,
    /** Requests about schedules, which name theirs in the body. */
    schedule: (verb: ScheduleVerb) => `${root}.schedule.${verb}`,
    status: (instanceId: string) => `${root}.status.${token(instanceId)}`,
    claim: (claimId: string) => `${root}.claim.${token(claimId)}`,
    advance: (instanceId: string) => `${root}.advance.${token(instanceId)}`,
    decide: (instanceId: string) => `${root}.decide.${token(instanceId)}`,
    cancel: (instanceId: string) => `${root}.cancel.${token(instanceId)}`,
    /** Captured by the stream of the requests: the stream answers, not a replica. */
    enqueue: (instanceId: string) => `${root}.enqueue.${token(instanceId)}`,
    /** What the stream of the requests captures. */
    allEnqueued: `${root}.enqueue.*`,
    /** Messages that could not be served; captured by their own stream. */
    poison: `${root}.poison`,
    requestStream: `LEASEHOLD_${namespace}_ENQUEUE`,
    poisonStream: `LEASEHOLD_${namespace}_POISON`,
    event: (instanceId: string) => `${root}.event.${token(instanceId)}`,
    replica: (replicaId: string) => `${root}.replica.${token(replicaId)}`,
    /** An advance sent directly to the replica that is believed to hold the instance. */
    advanceAt: (replicaId: string, instanceId: string) =>
      `${root}.replica.${token(replicaId)}.advance.${token(instanceId)}`,
    /** All direct advances to one replica: for subscribing. */
    allAdvancesAt: (replicaId: string) => `${root}.replica.${token(replicaId)}.advance.>`,
    /** Between replicas: these requests are answered, so no other replica need remember them. */
    answered: `${root}.answered`,
    /** Between replicas: this one is draining, and which instances it still has attempts of. */
    leaving: `${root}.leaving`,
    /** Between replicas: this one cannot run an instance's next cell, and which one can. */
    placed: `${root}.placed`,
    /** Between replicas: this instance has something to settle, such as a late outcome. */
    settle: (instanceId: string) => `${root}.settle.${token(instanceId)}`,
    /** Between replicas: something is due, such as an instance that waits for a claim. */
    due: `${root}.due`,
    /** Every subject of one verb: for subscribing. */
    all: (verb: 'status' | 'claim' | 'advance' | 'decide' | 'cancel' | 'event' | 'settle') =>
      `${root}.${verb}.>`,
  } as const;
}

/** What can be asked about schedules. */
export type ScheduleVerb = 'put' | 'get' | 'list' | 'pause' | 'resume' | 'delete';

/** The subjects of one namespace. */
export type Subjects = ReturnType<typeof subjects>;

/**
 * What follows the verb in `leasehold.<namespace>.<verb>.<rest>`. Not to be trusted: the publisher
 * chose it.
 */
export function subjectRest(subject: string): string {
  return after(3, subject);
}

/**
 * What follows the verb in `leasehold.<namespace>.replica.<replicaId>.<verb>.<rest>`. Not to be
 * trusted.
 */
export function directRest(subject: string): string {
  return after(5, subject);
}

function after(tokens: number, subject: string): string {
  let dot = -1;
  for (let nth = 0; nth < tokens; nth += 1) {
    dot = subject.indexOf('.', dot + 1);
    if (dot === -1) return '';
  }
  return subject.slice(dot + 1);
}

function token(id: string): string {
  if (!isId(id))
    throw new RangeError(`${JSON.stringify(id)} is not an id and cannot be part of a subject`);
  return id;
}
