import type { StreamSettings } from '../config/stream-settings.ts';
import type { Subjects } from './subjects.ts';

/*
 * How the streams of a namespace look, and what is wrong with one that is there. Pure.
 */

/** The durable consumer that all replicas share. */
export const CONSUMER = 'advancers';
/** How long a message may be in the hands of a replica that says nothing. */
export const ACK_WAIT_MS = 5_000;
/** Larger than any request with its headers: what is larger is refused by the server. */
const MAX_MESSAGE_BYTES = 16 * 1024;
/** What is wrapped in headers once more. */
const MAX_POISON_BYTES = MAX_MESSAGE_BYTES + 8 * 1024;

/** A stream's configuration as JetStream has it. What is left out is as JetStream has it. */
export interface StreamConfig {
  name: string;
  subjects: string[];
  retention: string;
  storage: string;
  num_replicas: number;
  discard: string;
  max_msgs: number;
  max_bytes: number;
  max_age: number;
  max_msgs_per_subject: number;
  max_msg_size: number;
  max_consumers: number;
  description: string;
}

/** A configuration that was found: anything may be in it. */
export type FoundConfig = Readonly<Record<string, unknown>>;

/** The stream of the requests. */
export function requestStreamConfig(subjects: Subjects, settings: StreamSettings): StreamConfig {
  return {
    ...common(settings),
    name: subjects.requestStream,
    subjects: [subjects.allEnqueued],
    retention: 'workqueue',
    max_msgs: settings.maxMessages,
    max_bytes: settings.maxBytes ?? -1,
    max_msg_size: MAX_MESSAGE_BYTES,
    description: `Leasehold: enqueued requests of namespace ${subjects.namespace}`,
  };
}

/** The stream of what could not be served. */
export function poisonStreamConfig(subjects: Subjects, settings: StreamSettings): StreamConfig {
  return {
    ...common(settings),
    name: subjects.poisonStream,
    subjects: [subjects.poison],
    retention: 'limits',
    max_msgs: settings.maxPoison,
    max_bytes: -1,
    max_msg_size: MAX_POISON_BYTES,
    description: `Leasehold: requests of namespace ${subjects.namespace} that could not be served`,
  };
}

/** Nothing leaves a stream by itself: when it is full, it refuses more. */
function common({ storage, replicas }: StreamSettings) {
  return {
    storage,
    num_replicas: replicas,
    discard: 'new',
    max_age: 0,
    max_msgs_per_subject: -1,
    max_consumers: -1,
  };
}

/** The consumer of the requests. A delayed message counts as in hand, so that has no limit. */
export function consumerConfig() {
  return {
    durable_name: CONSUMER,
    description: 'Leasehold: the replicas of the namespace',
    deliver_policy: 'all',
    ack_policy: 'explicit',
    ack_wait: ACK_WAIT_MS * 1_000_000,
    max_deliver: -1,
    max_ack_pending: -1,
    replay_policy: 'instant',
  };
}

/** What is wrong with a stream that is there. */
export type StreamFault =
  /** It is not ours: it must not be touched. */
  | { kind: 'foreign'; why: string }
  /** It can be used, but is not as the settings have it. */
  | { kind: 'differs'; problems: string[] };

/** Each setting that is compared, with what it means if it is another. */
const COMPARED: readonly (readonly [Exclude<keyof StreamConfig, 'subjects'>, means: string])[] = [
  ['discard', 'a full stream drops its oldest requests'],
  ['max_age', 'requests are dropped after that time'],
  ['max_msgs_per_subject', 'requests of one instance push out others'],
  ['max_consumers', 'the number of consumers is limited'],
  ['num_replicas', 'it is kept by another number of servers'],
  ['storage', 'it is stored elsewhere'],
  ['max_msgs', 'it holds another number of messages'],
  ['max_bytes', 'it holds another number of bytes'],
  ['max_msg_size', 'it takes messages of another size'],
];

/** Members that make a stream another one's: it is fed from elsewhere, or takes nothing. */
const OF_OTHERS = ['mirror', 'sources', 'subject_transform', 'republish', 'sealed', 'no_ack'];

/** Compares a stream that is there with the one that was wanted. */
export function faultOf(found: FoundConfig, wanted: StreamConfig): StreamFault | undefined {
  const { name } = wanted;
  const foreign = (what: string): StreamFault => ({
    kind: 'foreign',
    why: `the JetStream stream ${name} is not Leasehold's: ${what}. It is not used and not changed; remove it, or use another namespace`,
  });
  const subjects = Array.isArray(found['subjects']) ? found['subjects'].map(String) : [];
  if (subjects.join(' ') !== wanted.subjects.join(' '))
    return foreign(`it captures ${shown(subjects.join(', '))}, not ${wanted.subjects.join(', ')}`);
  if (found['retention'] !== wanted.retention)
    return foreign(`its retention is ${shown(found['retention'])}, not ${wanted.retention}`);
  const other = OF_OTHERS.find((member) => isSet(found[member]));
  if (other !== undefined) return foreign(`it has ${other}`);
  const problems = COMPARED.filter(([member]) => found[member] !== wanted[member]).map(
    ([member, means]) =>
      `the JetStream stream ${name} has ${member} ${shown(found[member])}, not ${wanted[member]}: ${means}; ` +
      `change it with the nats command, or the LEASEHOLD_QUEUE_ variables`,
  );
  return problems.length === 0 ? undefined : { kind: 'differs', problems };
}

/** What is wrong with a consumer that is there; undefined if it can be used. */
export function consumerFault(found: FoundConfig, stream: string): string | undefined {
  const wanted = consumerConfig();
  const what =
    found['deliver_subject'] !== undefined
      ? 'pushes its messages'
      : isSet(found['filter_subject']) || isSet(found['filter_subjects'])
        ? 'gets some of the messages only'
        : found['ack_policy'] !== wanted.ack_policy
          ? `has the ack policy ${shown(found['ack_policy'])}`
          : found['max_deliver'] !== undefined && found['max_deliver'] !== wanted.max_deliver
            ? `gives up after ${shown(found['max_deliver'])} deliveries`
            : undefined;
  return (
    what &&
    `consumer ${CONSUMER} of the JetStream stream ${stream} is not Leasehold's: it ${what}. It is not used and not changed; remove it`
  );
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== null && value !== false && value !== '';
}

/** A value that anybody may have configured. */
function shown(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 200);
}
