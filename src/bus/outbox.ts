import type { NatsConnection } from 'nats';

interface OutgoingMessage {
  subject: string;
  data: Uint8Array;
  onFailure: (cause: unknown) => void;
  replyTo: string | undefined;
}

/**
 * Sends at the end of each turn of the event loop, together with everything else that is sent in
 * it: the client alone writes to its socket after every continuation that publishes, and a write
 * costs more than a message.
 */
export class Outbox {
  readonly #connection: NatsConnection;
  readonly #connected: () => boolean;
  #messages: OutgoingMessage[] = [];

  constructor(connection: NatsConnection, connected: () => boolean) {
    this.#connection = connection;
    this.#connected = connected;
  }

  add(
    subject: string,
    data: Uint8Array,
    onFailure: (cause: unknown) => void,
    replyTo?: string,
  ): void {
    if (this.#messages.push({ subject, data, onFailure, replyTo }) === 1)
      setImmediate(() => this.send());
  }

  /** Sends what has gathered. */
  send(): void {
    for (const { subject, data, onFailure, replyTo } of this.#messages.splice(0)) {
      // Whatever was queued when the connection broke is lost with it.
      if (!this.#connected()) return;
      try {
        if (replyTo === undefined) this.#connection.publish(subject, data);
        else this.#connection.publish(subject, data, { reply: replyTo });
      } catch (cause) {
        onFailure(cause);
      }
    }
  }
}
