/** Structured logging: the fields of an event, then what happened. A pino logger is one. */
export interface Logger {
  /** Whether events of a level are logged; without it, no request is logged. */
  isLevelEnabled?(level: string): boolean;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
