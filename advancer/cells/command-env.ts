import type { EffectContext } from './cells.ts';

/**
 * Variables that are private to the replica: its own settings (database URLs contain passwords),
 * the Postgres client's, and those that would change a child's Node process.
 */
const PRIVATE =
  /^(LEASEHOLD_.*|PG(HOST|PORT|USER|PASSWORD|PASSFILE|DATABASE|SERVICE|SSL.*)|NODE_OPTIONS|NODE_V8_COVERAGE)$/;

/**
 * The environment of a command: the replica's own without its private variables, and the attempt's
 * variables.
 */
export function commandEnv(
  own: NodeJS.ProcessEnv,
  context: EffectContext,
  outputFile: string,
): NodeJS.ProcessEnv {
  const passed = Object.entries(own).filter(([name]) => !PRIVATE.test(name));
  return {
    ...Object.fromEntries(passed),
    LEASEHOLD_INSTANCE_ID: context.instanceId,
    LEASEHOLD_CELL_ID: context.cellId,
    LEASEHOLD_ATTEMPT: String(context.attempt),
    LEASEHOLD_FENCING_TOKEN: String(context.fencingToken),
    LEASEHOLD_IDEMPOTENCY_KEY: context.idempotencyKey,
    LEASEHOLD_OUTPUT_FILE: outputFile,
  };
}
