import type { EffectContext } from './cells.ts';

/**
 * What configures the replica and is nobody else's business: its own settings (database URLs hold
 * passwords), the Postgres client's, and what would change a child's Node process.
 */
const PRIVATE =
  /^(LEASEHOLD_.*|PG(HOST|PORT|USER|PASSWORD|PASSFILE|DATABASE|SERVICE|SSL.*)|NODE_OPTIONS|NODE_V8_COVERAGE)$/;

/**
 * The environment of a command: the replica's own without what is private to it, and what the
 * attempt is.
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
