const PATTERN =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:\d\d)$/;

/**
 * Reads a moment with its zone, such as `2030-01-31T09:00:00Z` or `2030-01-31T10:00+01:00`, to the
 * microsecond.
 *
 * @returns the moment in UTC, always written in the same form; undefined if the text is not one
 */
export function parseInstant(text: string): string | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second = '00', fraction = '', zone = 'Z'] = match;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const ms = Date.parse(local);
  // A day that its month does not have may be read as one of the next month.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== local) return undefined;
  const offsetMs = zoneOffsetMs(zone);
  if (offsetMs === undefined) return undefined;
  const utc = new Date(ms - offsetMs).toISOString();
  // Years outside 0000 to 9999 are written in another form.
  return utc.length === local.length
    ? utc.replace('000Z', `${fraction.padEnd(6, '0')}Z`)
    : undefined;
}

/** What is wrong with a text that should be a moment; undefined if it is one. */
export function instantFault(text: string): string | undefined {
  if (parseInstant(text) !== undefined) return undefined;
  return parseInstant(`${text}Z`) === undefined
    ? 'must be a time with its zone, such as 2030-01-31T09:00:00Z'
    : `has no zone: write ${text}Z for UTC, or an offset such as ${text}+01:00`;
}

function zoneOffsetMs(zone: string): number | undefined {
  if (zone === 'Z') return 0;
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number);
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}
