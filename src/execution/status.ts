/** What an instance is doing, derived from its log (and, for an await, from the claim). */
export const INSTANCE_STATUSES = ['ready', 'running', 'parked', 'in_doubt', 'halted', 'completed'] as const;
/** See {@link INSTANCE_STATUSES}. */
export type InstanceStatus = (typeof INSTANCE_STATUSES)[number];
