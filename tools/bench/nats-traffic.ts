/** The messages that NATS has carried since it started. */
export interface NatsTraffic {
  /** Messages that clients published. */
  published: number;
  /** Messages that NATS sent to clients. */
  delivered: number;
}

/** Reads the counts from NATS monitoring. @throws Error if it does not answer */
export async function natsTraffic(monitorUrl: string): Promise<NatsTraffic> {
  const response = await fetch(`${monitorUrl}/varz`, { signal: AbortSignal.timeout(5_000) });
  const { in_msgs: published, out_msgs: delivered } = (await response.json()) as Record<
    string,
    unknown
  >;
  if (typeof published !== 'number' || typeof delivered !== 'number')
    throw new Error('the answer of NATS monitoring has no message counts');
  return { published, delivered };
}
