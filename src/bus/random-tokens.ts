import { randomFillSync } from 'node:crypto';

/** 96 bits: nobody guesses one while its request lives, or at all. */
const TOKEN_BYTES = 12;
/** One call of the random generator costs more than a request, so it fills many tokens at once. */
const TOKENS_PER_FILL = 1_024;

/** Makes tokens that nobody can guess, each of 16 characters that a subject may have. */
export class RandomTokens {
  readonly #random = Buffer.allocUnsafeSlow(TOKEN_BYTES * TOKENS_PER_FILL);
  #next = this.#random.length;

  next(): string {
    if (this.#next === this.#random.length) {
      randomFillSync(this.#random);
      this.#next = 0;
    }
    const start = this.#next;
    this.#next += TOKEN_BYTES;
    return this.#random.toString('base64url', start, this.#next);
  }
}
