/** Messages a second of a hostile client, unless `--hostile` says otherwise. */
export const HOSTILE_RATE = 1_000;
