import { Numbers } from './numbers.ts';

/** The states of a search and the steps between them that are no faults. */
export class Graph {
  readonly #froms = new Numbers();
  readonly #tos = new Numbers();

  add(from: number, to: number): void {
    if (from === to) return;
    this.#froms.push(from);
    this.#tos.push(to);
  }

  /** The first state from which none of the goals can be reached; undefined when there is none. */
  firstStuck(states: number, goals: Iterable<number>): number | undefined {
    const { starts, sources } = this.#backwards(states);
    const reached = new Uint8Array(states);
    const waiting: number[] = [];
    for (const goal of goals) {
      reached[goal] = 1;
      waiting.push(goal);
    }
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      for (let at = starts[state] ?? 0; at < (starts[state + 1] ?? 0); at += 1) {
        const source = sources[at] ?? 0;
        if (reached[source] === 1) continue;
        reached[source] = 1;
        waiting.push(source);
      }
    }
    const stuck = reached.indexOf(0);
    return stuck === -1 ? undefined : stuck;
  }

  /**
   * For each state, from where it is reached: `sources` from `starts[state]` up to `starts[state +
   * 1]`.
   */
  #backwards(states: number): { starts: Uint32Array; sources: Uint32Array } {
    const starts = new Uint32Array(states + 1);
    for (let at = 0; at < this.#tos.length; at += 1) starts[this.#tos.at(at) + 1]! += 1;
    for (let state = 0; state < states; state += 1) starts[state + 1]! += starts[state] ?? 0;
    const filled = starts.slice();
    const sources = new Uint32Array(this.#tos.length);
    for (let at = 0; at < this.#tos.length; at += 1) {
      const to = this.#tos.at(at);
      sources[filled[to]!] = this.#froms.at(at);
      filled[to]! += 1;
    }
    return { starts, sources };
  }
}
