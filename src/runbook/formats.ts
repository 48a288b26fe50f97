import { isIP } from 'node:net';

import { parseInstant } from '../time/instant.ts';

const HOST_LABEL = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;

/**
 * The values of `format` that are checked; a schema with another one is rejected, since it would
 * promise what nobody checks. Each takes linear time.
 */
export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => /T\d\d:\d\d:\d\d/.test(text) && parseInstant(text) !== undefined,
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && parseInstant(`${text}T00:00Z`) !== undefined,
  time: (text) => /^\d\d:\d\d:\d\d/.test(text) && parseInstant(`2000-01-01T${text}`) !== undefined,
  email: (text) => {
    const at = text.lastIndexOf('@');
    return at > 0 && at <= 64 && !/[\s@]/.test(text.slice(0, at)) && isHostname(text.slice(at + 1));
  },
  hostname: isHostname,
  ipv4: (text) => isIP(text) === 4,
  ipv6: (text) => isIP(text) === 6 && !text.includes('%'),
  uri: (text) => /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/.test(text) && URL.canParse(text),
  uuid: (text) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text),
};

function isHostname(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => HOST_LABEL.test(label));
}
