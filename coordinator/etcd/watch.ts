import { Range } from 'etcd3';
import type { Etcd3, IDuplexStream, IEvent, IWatchRequest, IWatchResponse } from 'etcd3';
import type { Clock } from '../../src/time/clock.ts';
import { errorText } from '../../src/error-text.ts';
import { exactInteger } from '../../src/ids.ts';
import { entryOf } from './entry.ts';
import type { KeyEvent } from '../store.ts';

/** How to start a watch; see `LeaseStore.watch`. */
export interface EtcdWatchOptions {
  client: Etcd3;
  clock: Clock;
  /** How long etcd may take to confirm the watch, in milliseconds. */
  callTimeoutMs: number;
  prefix: string;
  fromRevision: number;
  onEvents: (events: readonly KeyEvent[]) => void;
  onBroken: (why: string) => void;
}

/**
 * A watch on a separate stream, which ends at the first error.
 *
 * Not the library's watcher: that one reconnects by itself, and may silently lose events while it
 * does.
 */
export function watchEtcd(options: EtcdWatchOptions): { close(): void } {
  const { client, clock, callTimeoutMs, prefix, fromRevision, onEvents, onBroken } = options;
  let stream: IDuplexStream<IWatchRequest, IWatchResponse> | undefined;
  let over = false;
  const confirmation = clock.after(callTimeoutMs, () =>
    broken(`etcd did not confirm a watch within ${callTimeoutMs} ms`),
  );

  function end(): void {
    over = true;
    confirmation.cancel();
    // Ending the stream before cancelling it keeps it from counting as a fault of the host.
    stream?.end();
    stream?.cancel();
  }

  function broken(why: string): void {
    if (over) return;
    end();
    onBroken(why);
  }

  client.watchClient.watch().then(
    (opened) => {
      stream = opened;
      opened.on('error', (error) => broken(errorText(error)));
      opened.on('end', () => broken('etcd ended the stream'));
      opened.on('data', (answer) => {
        if (over) return;
        if (answer.canceled) {
          broken(
            answer.compact_revision === '0'
              ? `etcd cancelled the watch: ${answer.cancel_reason}`
              : `revision ${fromRevision} has been compacted away`,
          );
          return;
        }
        if (answer.created) confirmation.cancel();
        if (answer.events.length > 0) onEvents(answer.events.map(eventOf));
      });
      if (over) {
        end();
        return;
      }
      const range = Range.prefix(prefix);
      opened.write({
        create_request: {
          key: Buffer.from(range.start),
          range_end: Buffer.from(range.end),
          start_revision: fromRevision,
        },
      });
    },
    (error: unknown) => broken(errorText(error)),
  );

  return {
    close() {
      if (!over) end();
    },
  };
}

function eventOf(event: IEvent): KeyEvent {
  if (event.type === 'Delete') {
    return {
      kind: 'deleted',
      key: event.kv.key.toString(),
      modRevision: exactInteger(event.kv.mod_revision),
    };
  }
  return { kind: 'put', entry: entryOf(event.kv) };
}
