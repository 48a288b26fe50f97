/** A client of the example ledger: the effects it received, and how slowly it answers. */
export class LedgerClient {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Every effect it received, in the order of arrival. */
  async effects(): Promise<{ key: string | null; fencingToken: string }[]> {
    const response = await fetch(`${this.#url}/effects`);
    const { effects } = (await response.json()) as {
      effects: { key: string | null; headers: Headers }[];
    };
    return effects.map(({ key, headers }) => ({
      key,
      fencingToken: headers['leasehold-fencing-token'] ?? '-',
    }));
  }

  /** How many effects it received with this idempotency key. */
  async count(key: string): Promise<number> {
    return (await this.effects()).filter((effect) => effect.key === key).length;
  }

  /** How many requests it is delaying now. */
  async waiting(): Promise<number> {
    const response = await fetch(`${this.#url}/delay`);
    return ((await response.json()) as { waiting: number }).waiting;
  }

  /** Delays each request before it records the effect, or after that and before it answers. */
  async delay(ms: number, where: 'before' | 'after' = 'after'): Promise<void> {
    const response = await fetch(`${this.#url}/delay`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ms, where }),
    });
    if (!response.ok) throw new Error(`the ledger answered ${response.status} to PUT /delay`);
  }
}

type Headers = Record<string, string | undefined>;
