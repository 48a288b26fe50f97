import { LogUnavailable } from '../../advancer/log/log.ts';
import type { AllPage, InstancePage, PageSize, RowPages } from '../../advancer/log/row-pages.ts';
import type { Row } from '../../src/execution/row.ts';
import type { RowCursor } from '../../src/request/row-cursor.ts';
import type { Network } from './network.ts';
import type { SimProcess } from './world.ts';

/**
 * Pages of the simulated log, in the order in which the rows were committed. A cursor's `xmax` is a
 * place in that order.
 */
export class SimRowPages {
  /** Every row, in the order of the commits. */
  readonly committed: Row[] = [];

  /** The pages as one process sees them. */
  of(process: SimProcess, network: Network): RowPages {
    return this.as(async (name, read) => {
      try {
        return await network.call(process, 'postgres', { name, timeoutMs: 2_000 }, read);
      } catch (cause) {
        throw new LogUnavailable('Postgres does not answer', { cause });
      }
    });
  }

  /** See {@link RowPages}; `call` is one statement. */
  as(call: <T>(name: string, read: () => T) => Promise<T>): RowPages {
    return {
      newestSeq: (instanceId) => call('newestSeq', () => this.#newestSeq(instanceId)),
      ofInstance: (instanceId, afterSeq, size) =>
        call('rowsOfInstance', () => this.#ofInstance(instanceId, afterSeq, size)),
      ofAll: (cursor, size) => call('rowsOfAll', () => this.#ofAll(cursor, size)),
      now: () => call('rowsNow', () => this.#cursor(this.committed.length)),
    };
  }

  #newestSeq(instanceId: string): number | undefined {
    return this.committed.findLast((row) => row.instanceId === instanceId)?.seq;
  }

  #ofInstance(instanceId: string, afterSeq: number, { limit }: PageSize): InstancePage {
    const rows = this.committed.filter(
      (row) => row.instanceId === instanceId && row.seq > afterSeq,
    );
    return { rows: rows.slice(0, limit), more: rows.length > limit };
  }

  #ofAll(cursor: RowCursor | undefined, { limit }: PageSize): AllPage {
    const from = cursor === undefined ? 0 : this.#placeOf(cursor);
    const rows = this.committed.slice(from, from + limit);
    const last = rows.at(-1);
    if (last === undefined) return { rows, next: undefined };
    const until = { xmax: from + rows.length, open: [] };
    const { instanceId, seq } = last;
    const atEnd = until.xmax === this.committed.length;
    return { rows, next: { ...this.#cursor(from), reading: { until, instanceId, seq, atEnd } } };
  }

  #placeOf({ seen, reading }: RowCursor): number {
    if (reading === undefined) return seen.xmax;
    const { instanceId, seq } = reading;
    return 1 + this.committed.findIndex((row) => row.instanceId === instanceId && row.seq === seq);
  }

  #cursor(place: number): RowCursor {
    return { database: '1-1', timeline: 1, seen: { xmax: place, open: [] } };
  }
}
