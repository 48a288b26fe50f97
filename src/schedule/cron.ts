import { Cron } from 'croner';

/** The time zone of a cron expression that names none. */
export const DEFAULT_TIMEZONE = 'UTC';

const MAX_CHARACTERS = 256;
/** What the library would read otherwise than as fields, such as a date, is left out. */
const FIELDS = /^[A-Za-z0-9*,/\-#?+]+(?: [A-Za-z0-9*,/\-#?+]+){4,5}$/;
const NICKNAME = /^@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)$/;
const FORM =
  'must be a cron expression of five fields (minute, hour, day of month, month, day of week), such ' +
  'as "0 9 * * 1-5", or of six with seconds before them';

/** What is wrong with a cron expression; undefined if nothing is. */
export function cronProblem(cron: string): string | undefined {
  const spaced = normalized(cron);
  if (cron.length > MAX_CHARACTERS)
    return `has ${cron.length} characters; ${MAX_CHARACTERS} at most`;
  if (!FIELDS.test(spaced) && !NICKNAME.test(spaced)) return FORM;
  try {
    // The library throws for what it cannot read.
    const parsed = new Cron(spaced, { paused: true, timezone: DEFAULT_TIMEZONE });
    return parsed.nextRun(new Date(0)) === null ? 'never comes' : undefined;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return `${why.replace(/^Cron(?:Pattern)?: */, '')}; it ${FORM}`;
  }
}

/** What is wrong with a time zone; undefined if nothing is. */
export function timezoneProblem(timezone: string): string | undefined {
  try {
    Intl.DateTimeFormat('en-US', { timeZone: timezone });
    return undefined;
  } catch {
    return 'must be a time zone of the IANA database, such as UTC or Europe/Berlin';
  }
}

/** The times of a cron expression, in milliseconds since 1970. They are whole seconds. */
export class CronTimes {
  readonly #cron: Cron;

  constructor(cron: string, timezone: string) {
    this.#cron = new Cron(normalized(cron), { paused: true, timezone });
  }

  /** The first one after a moment; undefined if none comes any more. */
  after(momentMs: number): number | undefined {
    const next = this.#cron.nextRun(new Date(momentMs))?.getTime();
    if (next !== undefined && next <= momentMs)
      throw new Error(`the cron library says that ${next} comes after ${momentMs}`);
    return next;
  }

  /** The newest `max` up to a moment, in order. */
  newest(untilMs: number, max: number): number[] {
    // The library lists what is before a second.
    const before = new Date(Math.floor(untilMs / 1_000) * 1_000 + 1_000);
    return this.#cron
      .previousRuns(max, before)
      .map((time) => time.getTime())
      .toReversed();
  }
}

function normalized(cron: string): string {
  return cron.trim().replaceAll(/[ \t]+/g, ' ');
}
