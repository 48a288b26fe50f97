/** A list of whole numbers below 2^32 that grows; four bytes each. */
export class Numbers {
  #numbers = new Uint32Array(1_024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    if (index >= this.#length) throw new RangeError(`${index} of ${this.#length}`);
    return this.#numbers[index] ?? 0;
  }

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Uint32Array(this.#length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length] = number;
    this.#length += 1;
  }
}
