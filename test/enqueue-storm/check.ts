/** One request that its stream has acknowledged. */
export interface Acknowledged {
  requestId: string;
  instanceId: string;
  /** It runs whatever is left, once the storm is over. Others begin one cell at most. */
  last?: true;
}

/** A recorded receipt, as far as it is checked. */
export interface RecordedReceipt {
  requestId: string;
  instanceId: string;
  outcome: string;
  /** The cells that it began. */
  begun: readonly string[];
  /** The cells that it settled, whichever request had begun them. */
  settled: readonly string[];
}

/** Everything that is known at the end of a storm. */
export interface StormEvidence {
  acknowledged: readonly Acknowledged[];
  receipts: readonly RecordedReceipt[];
  /** The idempotency key of each effect, in the order in which they happened. */
  ledger: readonly string[];
  /** The cells of each instance. */
  cells: readonly string[];
  statuses: ReadonlyMap<string, string>;
  /** What is left in the streams. */
  waiting: number;
  poison: number;
}

/** What broke the promises that were made for an enqueued request; empty if nothing did. */
export function problemsOf(evidence: StormEvidence): string[] {
  return [...receiptProblems(evidence), ...effectProblems(evidence), ...endProblems(evidence)];
}

function receiptProblems({ acknowledged, receipts }: StormEvidence): string[] {
  const counts = new Map<string, number>();
  for (const { requestId } of receipts) counts.set(requestId, (counts.get(requestId) ?? 0) + 1);
  const known = new Map(acknowledged.map((one) => [one.requestId, one]));
  const twice = [...counts].filter(([, count]) => count > 1);
  return [
    ...[...known.keys()]
      .filter((requestId) => !counts.has(requestId))
      .map((requestId) => `request ${requestId} was acknowledged and has no receipt`),
    ...twice.map(([requestId, count]) => `request ${requestId} has ${count} receipts`),
    ...receipts.flatMap(({ requestId, instanceId, outcome, begun, settled }) => {
      const sent = known.get(requestId);
      if (sent?.instanceId !== instanceId)
        return [`request ${requestId} has a receipt on ${instanceId}, where nobody sent it`];
      if (outcome !== 'advanced' && outcome !== 'completed')
        return [`request ${requestId} ended ${outcome}`];
      if (sent.last === true) return [];
      if (begun.length > 1) return [`request ${requestId} began ${begun.length} cells, not one`];
      return begun.length + settled.length > 0 ? [] : [`request ${requestId} did nothing`];
    }),
  ];
}

function effectProblems({ acknowledged, ledger, cells }: StormEvidence): string[] {
  const instances = new Set(acknowledged.map(({ instanceId }) => instanceId));
  const due = new Set([...instances].flatMap((id) => cells.map((cell) => `${id}/${cell}/1`)));
  const counts = new Map<string, number>();
  for (const key of ledger) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [
    ...[...due].filter((key) => !counts.has(key)).map((key) => `effect ${key} is missing`),
    ...[...counts].flatMap(([key, count]) => [
      ...(count > 1 ? [`effect ${key} happened ${count} times`] : []),
      ...(due.has(key) ? [] : [`effect ${key} was not asked for`]),
    ]),
  ];
}

function endProblems({ statuses, waiting, poison }: StormEvidence): string[] {
  return [
    ...[...statuses]
      .filter(([, status]) => status !== 'completed')
      .map(([instanceId, status]) => `instance ${instanceId} is ${status}`),
    ...(waiting > 0 ? [`${waiting} requests are left in the stream`] : []),
    ...(poison > 0 ? [`${poison} requests count as poison`] : []),
  ];
}
