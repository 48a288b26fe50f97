import { destination, pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino';

import type { LogFormat, LogLevel } from '../src/config/config.ts';
import { withoutCredentials } from '../src/redaction.ts';
import { NO_REDACTION, type Redaction } from './secrets/redaction.ts';

/** How a replica logs. */
export interface LoggingOptions {
  level: LogLevel;
  format: LogFormat;
  replicaId: string;
  /** Whether pretty lines have colours. */
  color: boolean;
  /** Redacts the secrets in every line; default: there are none. */
  redaction?: (() => Redaction) | undefined;
}

/** Names that every line has, which the fields of an event must not repeat. */
const RESERVED = new Set(['level', 'time', 'replicaId', 'msg']);

/**
 * Makes the replica's logger: one line of JSON per event, or a line for people.
 *
 * @param stream where the lines go; stderr by default
 */
export async function createLogger(
  options: LoggingOptions,
  stream?: DestinationStream,
): Promise<Logger> {
  const { level, format, replicaId, color, redaction = () => NO_REDACTION } = options;
  const stderr = (): DestinationStream => destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      base: { replicaId },
      timestamp: stdTimeFunctions.isoTime,
      // Whatever an error or a setting holds, no line shows a secret or the credentials of a URL.
      hooks: { streamWrite: (line) => withoutCredentials(redaction().jsonText(line)) },
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => withoutReserved(fields, replicaId),
      },
    },
    format === 'json' ? (stream ?? stderr()) : await prettyStream(color, stream),
  );
}

/** JSON may hold a name twice, but its readers keep one of the two. */
function withoutReserved(
  fields: Record<string, unknown>,
  replicaId: string,
): Record<string, unknown> {
  for (const name in fields) {
    if (!RESERVED.has(name)) continue;
    return Object.fromEntries(
      Object.entries(fields)
        .filter(([key, value]) => key !== 'replicaId' || value !== replicaId)
        .map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, value]),
    );
  }
  return fields;
}

/** Loaded only where lines are for people. */
async function prettyStream(
  color: boolean,
  stream: DestinationStream | undefined,
): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    colorize: color,
    ignore: 'replicaId',
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    sync: true,
    destination: (stream as NodeJS.WritableStream | undefined) ?? 2,
  });
}
