/** Names one immutable runbook version. */
export interface RunbookVersion {
  runbookId: string;
  version: number;
}

/** At most this many versions are kept; the least recently used goes first. */
const MAX_VERSIONS = 1_000;

/**
 * What is known of runbook versions. A version never changes, so it is read once, and all its
 * instances share one value.
 */
export class RunbookCache<Value> {
  readonly #read: (wanted: RunbookVersion[]) => Promise<ReadonlyMap<string, Value>>;
  readonly #values = new Map<string, Value>();

  /** `read` answers by {@link versionKey}, and leaves out versions that do not exist. */
  constructor(read: (wanted: RunbookVersion[]) => Promise<ReadonlyMap<string, Value>>) {
    this.#read = read;
  }

  /** Undefined when there is no such version (yet). Rejects as `read` does. */
  async get(wanted: RunbookVersion): Promise<Value | undefined> {
    const key = versionKey(wanted);
    const value = this.#values.get(key) ?? (await this.#read([wanted])).get(key);
    if (value !== undefined) this.#keep(key, value);
    return value;
  }

  /** The versions that exist, by {@link versionKey}; one read for those that are not cached. */
  async getAll(wanted: readonly RunbookVersion[]): Promise<ReadonlyMap<string, Value>> {
    const found = new Map<string, Value>();
    const missing = new Map<string, RunbookVersion>();
    for (const version of wanted) {
      const key = versionKey(version);
      const value = this.#values.get(key);
      if (value === undefined) missing.set(key, version);
      else found.set(key, value);
    }
    if (missing.size > 0) {
      for (const [key, value] of await this.#read([...missing.values()])) found.set(key, value);
    }
    for (const [key, value] of found) this.#keep(key, value);
    return found;
  }

  #keep(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > MAX_VERSIONS) this.#values.delete(this.#values.keys().next().value!);
  }
}

/** A key for a version; a runbook id contains no slash. */
export function versionKey({ runbookId, version }: RunbookVersion): string {
  return `${runbookId}/${version}`;
}
