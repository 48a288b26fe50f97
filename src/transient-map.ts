/** No map is copied more often than after so many new entries. */
const LEAST_SETS = 512;
/**
 * Nor more often than after so many times as many as it holds, so that copying costs a fraction of
 * an insertion.
 */
const SETS_PER_ENTRY = 4;

/**
 * A map for entries that come and go, in the order in which they came: requests under way, say.
 *
 * V8's own `Map` makes a new table whenever the old one is full of deleted entries, and leaves in
 * the old table a link to the new one, for iterators that are still at it
 * (`OrderedHashTable::Rehash` in its sources). Once one table has been promoted to the old
 * generation, as happens in an idle moment, that chain keeps every later table alive, and all that
 * was in it, until the next full collection, which begins the next chain: each request outlives its
 * minor collections and is copied by them. So this one starts on a new `Map`, which nothing old
 * links to, whenever it is empty, and now and then when it is not.
 *
 * An iterator may go on with what the map held when it was made.
 */
export class TransientMap<K, V> {
  #map: Map<K, V> | undefined;
  #sets = 0;

  get size(): number {
    return this.#map?.size ?? 0;
  }

  get(key: K): V | undefined {
    return this.#map?.get(key);
  }

  has(key: K): boolean {
    return this.#map?.has(key) ?? false;
  }

  set(key: K, value: V): this {
    this.#sets += 1;
    let map = (this.#map ??= new Map<K, V>());
    if (this.#sets > LEAST_SETS && this.#sets > SETS_PER_ENTRY * map.size) {
      this.#map = map = new Map(map);
      this.#sets = 0;
    }
    map.set(key, value);
    return this;
  }

  /** Whether it was there. */
  delete(key: K): boolean {
    const map = this.#map;
    if (map?.delete(key) !== true) return false;
    if (map.size === 0) {
      this.#map = undefined;
      this.#sets = 0;
    }
    return true;
  }

  keys(): IterableIterator<K> {
    return this.#entries().keys();
  }

  values(): IterableIterator<V> {
    return this.#entries().values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#entries().entries();
  }

  #entries(): Map<K, V> {
    return this.#map ?? new Map<K, V>();
  }
}

/**
 * A set for what comes and goes, in the order in which it came; for the reason that {@link
 * TransientMap} tells.
 */
export class TransientSet<T> {
  readonly #map = new TransientMap<T, true>();

  get size(): number {
    return this.#map.size;
  }

  add(value: T): this {
    this.#map.set(value, true);
    return this;
  }

  /** Whether it was there. */
  delete(value: T): boolean {
    return this.#map.delete(value);
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#map.keys();
  }
}
