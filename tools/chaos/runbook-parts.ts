/** One of the workload's runbooks. */
export interface ChaosRunbook {
  /** As in a runbook file. */
  document: {
    runbook: string;
    version: number;
    inputs: readonly string[];
    onHalt?: 'undo';
    cells: readonly ChaosCell[];
  };
  /** How often agents start it, relative to the others; 0: they do not. */
  weight: number;
  /** Whether it needs the run's own replicas, with the workload's handlers and commands. */
  needsOwn: boolean;
}

/** A cell, as in a runbook file. */
export interface ChaosCell {
  id: string;
  run?: { runbook: string; each?: readonly number[]; inputs: object };
  [field: string]: unknown;
}

const INPUTS = ['witness', 'ms', 'long', 'claim'];

/** Asks the witness whether an effect has happened. */
export const PROBE = { http: { method: 'GET', url: '${inputs.witness}/probe' } };

/** What the witness answers to an effect that it has done. */
export const OK = [{ status: 201 }, { pointer: '/ok', equals: true }];

/** An effect that the witness sees; `query` is for witness-main.ts. */
export function http(query = 'ms=${inputs.ms}', headers?: Record<string, string>): object {
  const url = `\${inputs.witness}/effects?${query}`;
  return { http: { method: 'POST', url, ...(headers !== undefined && { headers }) } };
}

/** A runbook of the workload. */
export function runbook(
  name: string,
  cells: readonly ChaosCell[],
  traits: { weight: number; needsOwn?: boolean; onHalt?: 'undo'; inputs?: readonly string[] },
): ChaosRunbook {
  const { weight, needsOwn = false, onHalt, inputs = [] } = traits;
  const head = { runbook: name, version: 1, inputs: [...INPUTS, ...inputs] };
  return {
    document: { ...head, ...(onHalt !== undefined && { onHalt }), cells },
    needsOwn,
    weight,
  };
}
