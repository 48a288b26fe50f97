export const REFUND = `runbook: refund
version: 1
inputs: [ledger, order]
cells:
  - {id: about, prose: Refunds an order once.}
  - {id: approved, await: {claim: "refund-\${inputs.order}", statuses: [approved]}}
  - id: charge
    exec: {http: {method: POST, url: "\${inputs.ledger}/effects", body: {order: "\${inputs.order}"}}}
    expect: [{status: 201}, {pointer: /count, equals: 1}]
    timeout: 10s            # default 5m
    retry: {attempts: 3, backoff: 200ms}
    onInterrupt: probe
    probe: {command: [node, probe.mjs]}   # prints {"answer": "happened", "output": {…}}
  - {id: check, assert: [{cell: charge, pointer: /count, equals: 1}]}
  - {id: notify, exec: {command: [./notify.sh]}, expect: [{exitCode: 0}], onInterrupt: rerun}
`;

/** A runbook whose one cell has these further lines. */
export function withCell(...lines: string[]): string {
  return [
    'runbook: a',
    'version: 1',
    'inputs: [order]',
    'cells:',
    '  - id: charge',
    ...lines.map((l) => `    ${l}`),
  ].join('\n');
}
