/**
 * The states that were met, by a hash of 53 bits each (hash compaction; Wolper and Leroy, "Reliable
 * hashing without collision detection", 1993): two states in 2^53 are taken for one, so with n
 * states the chance that any was missed is about n^2 / 2^54, one in 18,000 for a million.
 */
export class Seen {
  #hashes = new Float64Array(1 << 16);
  #indices = new Uint32Array(1 << 16);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Its number in the order in which states were met, and whether this is the first meeting. */
  add(code: string): { index: number; isNew: boolean } {
    if (this.#size * 2 > this.#hashes.length) this.#grow();
    const hash = hashOf(code);
    const slot = this.#slotOf(hash);
    if (this.#hashes[slot] !== 0) return { index: this.#indices[slot] ?? 0, isNew: false };
    this.#hashes[slot] = hash;
    this.#indices[slot] = this.#size;
    this.#size += 1;
    return { index: this.#size - 1, isNew: true };
  }

  #slotOf(hash: number): number {
    const last = this.#hashes.length - 1;
    let slot = hash & last;
    while (this.#hashes[slot] !== 0 && this.#hashes[slot] !== hash) slot = (slot + 1) & last;
    return slot;
  }

  #grow(): void {
    const [hashes, indices] = [this.#hashes, this.#indices];
    this.#hashes = new Float64Array(hashes.length * 2);
    this.#indices = new Uint32Array(hashes.length * 2);
    hashes.forEach((hash, at) => {
      if (hash === 0) return;
      const slot = this.#slotOf(hash);
      this.#hashes[slot] = hash;
      this.#indices[slot] = indices[at] ?? 0;
    });
  }
}

/** A hash of 53 bits, never 0. Source: bryc, "cyrb53", public domain. */
function hashOf(text: string): number {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    high = Math.imul(high ^ char, 2_654_435_761);
    low = Math.imul(low ^ char, 1_597_334_677);
  }
  high =
    Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909);
  low =
    Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0) || 1;
}
