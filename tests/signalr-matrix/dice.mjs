// Chance that repeats with its seed.

// mulberry32
export class Dice {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  // A whole number from 0 to one below this.
  below(bound) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  }

  oneOf(choices) {
    return choices[this.below(choices.length)];
  }
}
