/** What the coordinator writes to the log; pino's own shape. */
export interface CoordinatorLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
