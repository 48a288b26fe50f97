/** Messages through NATS since it was started. */
export interface NatsTraffic {
  /** What clients published. */
  published: number;
  /** What clients were sent. */
  delivered: number;
}

/** Reads it from NATS' monitoring. @throws Error when it does not answer */
export async function natsTraffic(monitorUrl: string): Promise<NatsTraffic> {
  const response = await fetch(`${monitorUrl}/varz`, { signal: AbortSignal.timeout(5_000) });
  const { in_msgs: published, out_msgs: delivered } = (await response.json()) as Record<
    string,
    unknown
  >;
  if (typeof published !== 'number' || typeof delivered !== 'number')
    throw new Error('the monitoring of NATS does not say how many messages there were');
  return { published, delivered };
}
