import type {
  AwaitedClaim,
  DueFound,
  DueInstance,
  DueLines,
  RestLine,
  Wake,
} from '../../advancer/log/due.ts';
import type { Claim } from '../../advancer/log/log.ts';
import type { SimPostgres } from './sim-log.ts';
import { EPOCH_MS, type World } from './world.ts';

interface Line {
  lastSeq: number;
  /** In the world's time; undefined if time does not bring it back. */
  dueMs: number | undefined;
  claim: AwaitedClaim | undefined;
}

/** The rules of the lines of unattended instances; a negative control switches one off. */
export interface DueRules {
  /** A line that waits for a claim is written with one more look at the claim. */
  rereadsClaims: boolean;
  /** A claim is noted for those who wait for it, by any client. */
  notesClaims: boolean;
  /** The end of a child is noted for its parent. */
  notesChildren: boolean;
  /** A cancellation together with the children is noted. */
  notesCancels: boolean;
  /** Lines are compared with the log now and then. Off, so that nothing else relies on it. */
  rechecks: boolean;
}

/** What is due in a {@link SimPostgres}, as its functions and triggers have it. */
export class SimDue {
  readonly rules: DueRules = {
    rereadsClaims: true,
    notesClaims: true,
    notesChildren: true,
    notesCancels: true,
    rechecks: false,
  };
  readonly lines = new Map<string, Line>();
  wakes: (Omit<Wake, 'sinceMs'> & { notedMs: number })[] = [];
  readonly #world: World;
  readonly #postgres: SimPostgres;
  #noted = 0;

  constructor(world: World, postgres: SimPostgres) {
    this.#world = world;
    this.#postgres = postgres;
  }

  /** See {@link DueLines}; `call` is one statement as a process sends it. */
  as(call: <T>(name: string, apply: () => T) => Promise<T>): DueLines {
    return {
      find: (limit) => call('findDue', () => this.#find(limit)),
      dueAfter: (after, limit) => call('dueAfter', () => this.#due(after).slice(0, limit)),
      woken: (wake, limit, after = '') =>
        call('woken', () => this.#waiters(wake, after).slice(0, limit)),
      put: (lines) => call('putRests', () => this.put(lines)),
      forget: (wakeIds) =>
        call('forgetWakes', () => {
          this.wakes = this.wakes.filter(({ wakeId }) => !wakeIds.includes(wakeId));
        }),
      forgetServed: (wakeIds) =>
        call('forgetServed', () => {
          this.wakes = this.wakes.filter(
            (wake) =>
              !wakeIds.includes(wake.wakeId) ||
              wake.kind !== 'claim' ||
              this.#waiters(wake, '').length > 0,
          );
        }),
      recheck: (after, limit) => call('recheck', () => this.#recheck(after, limit)),
    };
  }

  /** The trigger of the instances. */
  list(instanceId: string): void {
    const { nowMs } = this.#world;
    if (!this.lines.has(instanceId))
      this.lines.set(instanceId, { lastSeq: 0, dueMs: nowMs, claim: undefined });
  }

  put(lines: readonly RestLine[]): void {
    for (const { instanceId, lastSeq, rest } of lines) {
      const known = this.lines.get(instanceId);
      if (rest === 'ended') {
        this.lines.delete(instanceId);
        const parentId = this.#postgres.children.origins.get(instanceId)?.parentId;
        if (known !== undefined && parentId !== undefined && this.lines.has(parentId))
          if (this.rules.notesChildren) this.#note({ kind: 'child_ended', id: parentId });
        continue;
      }
      if (known !== undefined && known.lastSeq > lastSeq) continue;
      const { at, claim } = rest;
      const { nowMs } = this.#world;
      let dueMs =
        at && ('iso' in at ? Date.parse(at.iso) - EPOCH_MS : nowMs + Math.max(0, at.afterMs));
      if (claim !== undefined && this.rules.rereadsClaims && this.#isWanted(claim)) dueMs = nowMs;
      this.lines.set(instanceId, { lastSeq, dueMs, claim });
    }
  }

  /** The trigger of the claims. */
  noteClaim({ claimId, revision, status }: Claim): void {
    const wake = { kind: 'claim', id: claimId, revision, status } as const;
    if (this.rules.notesClaims && this.#waiters({ ...wake, wakeId: '' }, '').length > 0)
      this.#note(wake);
  }

  /** The guard of the rows. */
  noteCancel(instanceId: string): void {
    if (this.rules.notesCancels) this.#note({ kind: 'cancel_children', id: instanceId });
  }

  #note(wake: Omit<Wake, 'wakeId' | 'sinceMs'>): void {
    this.#noted += 1;
    this.wakes.push({ ...wake, wakeId: String(this.#noted), notedMs: this.#world.nowMs });
  }

  #find(limit: number): DueFound {
    const { nowMs } = this.#world;
    const later = [...this.lines.values()].flatMap(({ dueMs }) =>
      dueMs !== undefined && dueMs > nowMs ? [dueMs - nowMs] : [],
    );
    return {
      due: this.#due().slice(0, limit),
      wakes: this.wakes
        .slice(0, limit)
        .map(({ notedMs, ...wake }) => ({ ...wake, sinceMs: nowMs - notedMs })),
      nextMs: later.length === 0 ? undefined : Math.min(...later),
    };
  }

  #due(after?: DueInstance): DueInstance[] {
    const { nowMs } = this.#world;
    return [...this.lines]
      .flatMap(([instanceId, { dueMs }]) =>
        dueMs !== undefined && dueMs <= nowMs
          ? [{ instanceId, since: String(dueMs), overdueMs: nowMs - dueMs }]
          : [],
      )
      .sort((a, b) => b.overdueMs - a.overdueMs || (a.instanceId < b.instanceId ? -1 : 1))
      .filter(
        (one) =>
          after === undefined ||
          Number(one.since) > Number(after.since) ||
          (one.since === after.since && one.instanceId > after.instanceId),
      );
  }

  #waiters({ id, revision = 0, status = '' }: Omit<Wake, 'sinceMs'>, after: string): string[] {
    return [...this.lines]
      .flatMap(([instanceId, { claim }]) =>
        claim?.claimId === id && claim.revision < revision && claim.statuses.includes(status)
          ? [instanceId]
          : [],
      )
      .filter((instanceId) => instanceId > after)
      .sort();
  }

  #isWanted({ claimId, statuses, revision }: AwaitedClaim): boolean {
    const newest = this.#postgres.claims.get(claimId)?.at(-1);
    return newest !== undefined && newest.revision > revision && statuses.includes(newest.status);
  }

  #recheck(after: string, limit: number): { last: string | undefined; found: number } {
    const ids = [...this.lines.keys()].filter((id) => id > after).sort();
    const page = ids.slice(0, limit);
    let found = 0;
    for (const instanceId of this.rules.rechecks ? page : []) {
      const line = this.lines.get(instanceId)!;
      if (line.dueMs !== undefined && line.dueMs <= this.#world.nowMs) continue;
      const moved = this.#postgres.rowsOf(instanceId).length > line.lastSeq;
      if (!moved && (line.claim === undefined || !this.#isWanted(line.claim))) continue;
      line.dueMs = this.#world.nowMs;
      found += 1;
    }
    return { last: page.at(-1), found };
  }
}
