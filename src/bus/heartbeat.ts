import type { NatsConnection } from 'nats';

/** How many intervals a ping may be unanswered while nothing else arrives either. */
const SILENT_INTERVALS = 2;

/**
 * Finds a connection that is lost although nobody has closed it: a ping is unanswered, and nothing
 * else arrives.
 *
 * The client has such a check, which looks at the answers to pings only. They come in order with
 * everything else, so a process that is some seconds behind with reading, as in a flood, would take
 * a good connection for lost, and lose all that is on its way, its honest senders' messages too.
 */
export function watchConnection(
  connection: Pick<NatsConnection, 'flush' | 'stats' | 'reconnect' | 'isClosed' | 'closed'>,
  intervalMs: number,
): void {
  let asked = false;
  let silent = 0;
  let heardBytes = connection.stats().inBytes;
  const timer = setInterval(() => {
    const { inBytes } = connection.stats();
    silent = asked && inBytes === heardBytes ? silent + 1 : 0;
    heardBytes = inBytes;
    if (silent >= SILENT_INTERVALS) {
      silent = 0;
      asked = false;
      void connection.reconnect().catch(() => undefined);
      return;
    }
    if (asked) return;
    asked = true;
    const answered = (): void => void (asked = false);
    // It fails when the connection is lost meanwhile, which the client sees by itself.
    connection.flush().then(answered, answered);
  }, intervalMs);
  timer.unref();
  void connection.closed().then(() => clearInterval(timer));
}
