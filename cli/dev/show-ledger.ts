/** What the show needs of the example's ledger: its switches and its counts. */
export class ShowLedger {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Every effect that it was sent, in the order of their arrival. */
  async effects(): Promise<{ key: string | null; fencingToken: string }[]> {
    const answer = await fetch(`${this.#url}/effects`);
    const { effects } = (await answer.json()) as {
      effects: { key: string | null; headers: Headers }[];
    };
    return effects.map(({ key, headers }) => ({
      key,
      fencingToken: headers['leasehold-fencing-token'] ?? '-',
    }));
  }

  /** How often it was sent an effect with this idempotency key. */
  async count(key: string): Promise<number> {
    return (await this.effects()).filter((effect) => effect.key === key).length;
  }

  /** How many senders it makes wait at this moment. */
  async waiting(): Promise<number> {
    const answer = await fetch(`${this.#url}/delay`);
    return ((await answer.json()) as { waiting: number }).waiting;
  }

  /**
   * Makes it slow: before it records an effect, or after that and before it answers. 0 makes it
   * quick again.
   */
  async delay(ms: number, where: 'before' | 'after' = 'after'): Promise<void> {
    const answer = await fetch(`${this.#url}/delay`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ms, where }),
    });
    if (!answer.ok) throw new Error(`the ledger answered ${answer.status} to PUT /delay`);
  }
}

type Headers = Record<string, string | undefined>;
