import type { Inputs } from '../../src/runbook/head.ts';

/** An input that a runbook declares, for people. */
export interface DeclaredInput {
  readonly name: string;
  /** What it may be; empty if it may be anything. */
  readonly what: string;
  readonly description: string;
}

/** The inputs that a runbook declares. */
export function declaredInputs(inputs: Inputs): DeclaredInput[] {
  if (Array.isArray(inputs)) return inputs.map((name) => ({ name, what: '', description: '' }));
  return Object.entries(inputs).map(([name, schema]) => {
    const { type, enum: values, description, default: standard } = schema;
    const parts = [
      [type]
        .flat()
        .filter((one) => typeof one === 'string')
        .join(' or '),
      Array.isArray(values) ? `one of ${values.map((one) => JSON.stringify(one)).join(', ')}` : '',
      standard === undefined ? '' : `default ${JSON.stringify(standard)}`,
    ];
    return {
      name,
      what: parts.filter((part) => part !== '').join(', '),
      description: typeof description === 'string' ? description : '',
    };
  });
}
