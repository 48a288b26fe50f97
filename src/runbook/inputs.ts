import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { checkSchema } from './check-schema.ts';
import type { Inputs } from './head.ts';
import { inputProblems } from './input-schema.ts';
import { didYouMean } from './nearest.ts';
import type { Finding } from './problem.ts';
import type { InputProblem } from './schema-problems.ts';

/** The inputs of an instance with the defaults filled in, or everything that is wrong with them. */
export type CompletedInputs =
  { ok: true; inputs: JsonObject } | { ok: false; problems: InputProblem[] };

/** At most this many inputs that are not declared are named. */
const MAX_UNKNOWN = 20;

/**
 * Fills in the defaults of the inputs that were left out, and checks all of them against what the
 * runbook declares.
 */
export function completeInputs(declared: Inputs, given: JsonObject): CompletedInputs {
  if (Array.isArray(declared)) {
    const problem = namesProblem(declared, given);
    return problem === undefined ? { ok: true, inputs: given } : { ok: false, problems: [problem] };
  }
  const names = Object.keys(declared);
  const problems: InputProblem[] = [];
  const inputs: JsonObject = { ...given };
  for (const [name, schema] of Object.entries(declared)) {
    const value = Object.hasOwn(given, name) ? given[name] : schema['default'];
    if (value === undefined) problems.push({ field: `inputs.${name}`, message: 'is required' });
    else {
      inputs[name] = value;
      problems.push(...inputProblems(schema, name, value));
    }
  }
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(declared, name));
  const known = names.length === 0 ? 'there are none' : `inputs: ${names.join(', ')}`;
  for (const name of unknown.slice(0, MAX_UNKNOWN)) {
    const message = `is not declared (${known})${didYouMean(name, names)}`;
    problems.push({ field: `inputs.${name}`, message });
  }
  if (unknown.length > MAX_UNKNOWN) {
    const message = `${unknown.length - MAX_UNKNOWN} more are not declared`;
    problems.push({ field: 'inputs', message });
  }
  return problems.length === 0 ? { ok: true, inputs } : { ok: false, problems };
}

/** What is missing from inputs that are declared by name only, and what is not declared. */
function namesProblem(declared: readonly string[], given: JsonObject): InputProblem | undefined {
  const missing = declared.filter((name) => !Object.hasOwn(given, name));
  const unknown = Object.keys(given).filter((name) => !declared.includes(name));
  const found = [
    missing.length > 0 ? `missing ${missing.join(', ')}` : '',
    unknown.length > 0 ? `unknown ${unknown.join(', ')}` : '',
  ].filter((problem) => problem !== '');
  if (found.length === 0) return undefined;
  const message = `${found.join(', ')}; the runbook declares ${declared.join(', ') || 'none'}`;
  return { field: 'inputs', message };
}

/** Every problem in one text: `inputs.order: is required; inputs.count: must be a number`. */
export function inputProblemsText(problems: readonly InputProblem[]): string {
  return problems.map(({ field, message }) => `${field}: ${message}`).join('; ');
}

/** What a runbook says of its inputs. */
interface ReadInputs {
  names: string[];
  /** The schemas that are valid. */
  schemas: { [name: string]: JsonObject };
  findings: Finding[];
}

/** Checks the schemas of a runbook's inputs, and their defaults. What has another form is left. */
export function checkInputs(inputs: unknown): ReadInputs {
  const read: ReadInputs = { names: [], schemas: {}, findings: [] };
  if (Array.isArray(inputs)) {
    read.names = inputs.filter((name) => typeof name === 'string');
    return read;
  }
  if (typeof inputs !== 'object' || inputs === null) return read;
  for (const [name, schema] of Object.entries(inputs as JsonObject)) {
    read.names.push(name);
    const found = checkInput(name, schema);
    read.findings.push(...found);
    if (isJsonObject(schema) && !found.some(({ severity }) => severity === 'error'))
      read.schemas[name] = schema;
  }
  return read;
}

function checkInput(name: string, schema: Json): Finding[] {
  // The schema of the runbook says so already.
  if (!isJsonObject(schema)) return [];
  const findings = checkSchema(schema, ['inputs', name]);
  const byDefault = schema['default'];
  if (byDefault === undefined || findings.some(({ severity }) => severity === 'error'))
    return findings;
  const wrong = inputProblems(schema, name, byDefault).map(({ field, message }): Finding => {
    const inside = field.slice(`inputs.${name}`.length + 1);
    const path = ['inputs', name, 'default', ...(inside === '' ? [] : inside.split('.'))];
    return { path, severity: 'error', message: `${message}: a default must fit its own schema` };
  });
  return [...findings, ...wrong];
}
