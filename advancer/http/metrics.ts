import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';

import type { Backlog } from '../../src/bus/request-stream.ts';
import type { Counted } from '../run/context.ts';

/** What is read from the replica at each scrape. */
export interface Readings {
  held: () => number;
  leases: () => number;
  attempts: () => number;
  remembered: () => number;
  messageBytes: () => number;
  waitingQueries: () => number;
  /** What waits in the streams; undefined if that is not known now. */
  backlog: () => Backlog | undefined;
  ready: () => boolean;
}

/** The replica's metrics, in Prometheus' text format. */
export interface Metrics {
  count: (event: Counted) => void;
  /** Registers the gauges; until then they are left out. */
  observe(readings: Readings): void;
  text(): Promise<string>;
  readonly contentType: string;
}

/** Creates the metrics of one replica, in their own registry. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'leasehold_' });
  const counter = <Label extends string>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `leasehold_${name}_total`, help, labelNames, registers: [registry] });
  const by = (label: string, name: string, help: string) =>
    new Labelled(counter(name, help, [label]));
  const receipts = by(
    'outcome',
    'receipts',
    'Advance requests answered by this replica, by outcome',
  );
  const malformed = by('verb', 'malformed_messages', 'Malformed messages, by verb');
  const unauthenticated = counter(
    'unauthenticated_messages',
    'Messages between replicas that were ignored because their sender did not show that it is one, by kind and reason',
    ['kind', 'reason'],
  );
  const rows = by('kind', 'rows', 'Rows appended by this replica, by kind');
  const fenced = counter('fenced_appends', 'Appends refused because a later term had written');
  const late = by('kind', 'late_outcomes', 'Outcomes kept as evidence, by kind');
  const takeOvers = counter('take_overs', 'Leases taken over from an unreachable holder');
  const declined = counter(
    'declined_advances',
    'Direct advances declined because this replica does not hold the instance',
  );
  const refusedReplies = counter(
    'refused_replies',
    'Replies not sent, because their subject is under none of LEASEHOLD_NATS_REPLY_PREFIXES',
  );
  const wrongReplica = counter(
    'wrong_replica',
    'Leases released because this replica cannot run the next cell',
  );
  const overLimit = by(
    'limit',
    'over_limit',
    'Requests and messages that were not taken in, because a limit was reached, by limit',
  );
  const looks = by(
    'outcome',
    'due_looks',
    'Looks at unattended instances that may go on by themselves, by outcome',
  );
  const ticks = by('outcome', 'ticks', 'Ticks of schedules recorded by this replica, by outcome');
  const poison = counter('poison', 'Enqueued messages that this replica found it cannot serve');
  const unknown = counter('unknown_appends', 'Appends whose result was lost');
  return {
    contentType: registry.contentType,
    count(event) {
      switch (event.what) {
        case 'receipt':
          receipts.inc(event.outcome);
          return;
        case 'malformed':
          malformed.inc(event.verb);
          return;
        case 'unauthenticated':
          unauthenticated.inc({ kind: event.kind, reason: event.reason });
          return;
        case 'row':
          rows.inc(event.kind);
          return;
        case 'late_outcome':
          late.inc(event.kind);
          return;
        case 'over_limit':
          overLimit.inc(event.limit);
          return;
        case 'due':
          looks.inc(event.outcome);
          return;
        case 'fenced':
          fenced.inc();
          return;
        case 'take_over':
          takeOvers.inc();
          return;
        case 'declined':
          declined.inc();
          return;
        case 'refused_reply':
          refusedReplies.inc();
          return;
        case 'wrong_replica':
          wrongReplica.inc();
          return;
        case 'tick':
          ticks.inc(event.outcome);
          return;
        case 'poison':
          poison.inc();
          return;
        case 'unknown_append':
          unknown.inc();
      }
    },
    observe(readings) {
      gauge('held_instances', 'Instances held with state in memory', readings.held);
      gauge('held_leases', 'Leases held, with or without state in memory', readings.leases);
      gauge(
        'attempts_in_hand',
        'Attempts whose closing row is not definite yet',
        readings.attempts,
      );
      gauge(
        'remembered_requests',
        'Requests that this replica remembers and would step in for',
        readings.remembered,
      );
      gauge(
        'message_bytes',
        'Bytes of messages that wait or are being worked on',
        readings.messageBytes,
      );
      gauge(
        'waiting_queries',
        'Queries that wait until it is the turn of their agent',
        readings.waitingQueries,
      );
      const queued = (name: string, help: string, read: (backlog: Backlog) => number): void =>
        gauge(name, `${help}; NaN while the streams cannot be asked`, () => {
          const backlog = readings.backlog();
          return backlog === undefined ? Number.NaN : read(backlog);
        });
      queued(
        'enqueued_requests',
        'Enqueued requests of the namespace that have no receipt yet',
        ({ waiting }) => waiting,
      );
      queued('enqueued_lag_seconds', 'How long the oldest of them has waited', ({ oldestAtMs }) =>
        oldestAtMs === undefined ? 0 : lagSeconds(oldestAtMs),
      );
      queued(
        'poison_messages',
        'Enqueued messages of the namespace that cannot be served and wait for people',
        ({ poison: messages }) => messages,
      );
      gauge('ready', '1 while the replica can serve', () => (readings.ready() ? 1 : 0));
    },
    text: () => registry.metrics(),
  };

  function gauge(name: string, help: string, read: () => number): void {
    registry.registerMetric(
      new Gauge({
        name: `leasehold_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  }
}

/** The clocks of the NATS server and of this machine may differ. */
function lagSeconds(sinceMs: number): number {
  return Math.max(0, (Date.now() - sinceMs) / 1_000);
}

/** A counter with one label that looks up the series of each value once. */
class Labelled {
  readonly #counter: Counter;
  readonly #series = new Map<string, Counter.Internal>();

  constructor(counter: Counter) {
    this.#counter = counter;
  }

  inc(value: string): void {
    let series = this.#series.get(value);
    if (series === undefined) {
      series = this.#counter.labels(value);
      this.#series.set(value, series);
    }
    series.inc();
  }
}
