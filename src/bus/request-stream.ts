import type { ReportedAccount } from './bus.ts';

/** One message as the stream delivers it; it stays there until it is acknowledged. */
export interface StoredMessage {
  /** Not to be trusted: the publisher chose it. */
  readonly subject: string;
  /** Not to be trusted either. */
  readonly data: Uint8Array;
  /** To be trusted as far as the server is configured. */
  readonly account: ReportedAccount;
  /** Its place in the stream, the same at each delivery. */
  readonly seq: number;
  /** How often it was delivered, this time included. */
  readonly deliveries: number;
  /** When it was stored, by the server's clock, in milliseconds since 1970. */
  readonly storedAtMs: number;
  /** It is settled: removes it from the stream. May be lost; then it is delivered again. */
  ack(): void;
  /** It is to be delivered again, to any replica, after this time. */
  retryIn(delayMs: number): void;
  /** It is still being worked on: it is not to be delivered again yet. */
  working(): void;
}

/** Whether the stream can be used. */
export type StreamState =
  /** `problems`: what is not as the settings have it, one sentence each. */
  | { kind: 'ready'; problems: readonly string[] }
  /** It is not there, or another one is in its place. */
  | { kind: 'unusable'; why: string };

/** What waits in the streams of a namespace. */
export interface Backlog {
  /** Requests that are not settled. */
  waiting: number;
  /** When the oldest of them was stored, by the server's clock; undefined if there is none. */
  oldestAtMs: number | undefined;
  /** Messages that could not be served. */
  poison: number;
}

/**
 * The stream that keeps the enqueued requests of a namespace, as replicas use it. No method throws:
 * what cannot be had is said so.
 */
export interface RequestStream {
  /**
   * Creates what is missing, and compares the rest with the settings. Never changes or removes
   * anything that is there.
   */
  prepare(): Promise<StreamState>;
  /**
   * Asks for up to `max` messages and passes on each as it arrives. Resolves once all of them have
   * arrived or `waitMs` are over; false if the stream cannot be asked, or is gone.
   */
  pull(max: number, waitMs: number, receive: (message: StoredMessage) => void): Promise<boolean>;
  /** Keeps a copy with the reason where people see it; why not, or undefined once it is kept. */
  poison(message: StoredMessage, reason: string): Promise<string | undefined>;
  /** Undefined if it cannot be had now. */
  backlog(): Promise<Backlog | undefined>;
  /** Ends a pull under way. */
  close(): void;
}

/** A message that could not be served, as it is kept. */
export interface PoisonMessage {
  /** Its place among such messages. */
  seq: number;
  /** Where it was published. */
  subject: string;
  reason: string;
  /** When it was first stored, ISO 8601. */
  storedAt: string;
  data: Uint8Array;
}

/** The messages of a namespace that could not be served, as people use them. */
export interface PoisonStream {
  /** The oldest, from `fromSeq` on. @throws StreamUnavailable */
  list(limit: number, fromSeq?: number): Promise<PoisonMessage[]>;
  /**
   * Puts one back into the stream of the requests, and then removes it from here. If that is not
   * certain to have been done, it may be done again: a request is served once.
   *
   * @returns its new place, or undefined if there is none at that place
   * @throws StreamUnavailable
   */
  resend(seq: number): Promise<{ stream: string; seq: number } | undefined>;
}

/** JetStream did not do what it was asked; the message says why. */
export class StreamUnavailable extends Error {
  override readonly name = 'StreamUnavailable';
}
