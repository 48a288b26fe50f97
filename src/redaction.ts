/** Where a URL may begin; it goes on to the next space, quote or bracket. */
const URL_IN_TEXT = /[a-z][a-z0-9+.-]*:\/\/[^\s"'`<>\\]*/gi;

/** Separates the URLs of a list. */
const BETWEEN_URLS = /,(?=[a-z][a-z0-9+.-]*:\/\/)/i;

/** `user:password@host` without a scheme, as a whole word. */
const BARE_CREDENTIALS = /(^|[\s"'`(=,])([^\s"'`(=,:@/]+):([^\s"'`@/]+)@(?=[\w[])/g;

/** A parameter whose value is secret, such as `password` or `sslpassword`. */
const SECRET_PARAMETER =
  /([?&][^=&#]*(?:pass(?:word|wd|phrase)?|secret|token|credential|signature|api[-_]?key)=)[^&#]*/gi;

/** What stands in the place of a secret. */
const HIDDEN = '***';

/**
 * The text without the credentials of the URLs in it. Whatever shows a URL to anybody (errors,
 * logs, reports) shows it through this function.
 *
 * The user's name stays if a password comes after it, and in the URL of a database; elsewhere, a
 * user without a password may be a token. People forget to encode a password, so everything from
 * the scheme to the last `@` counts as credentials if there is an `@` or a `:` before the path.
 */
export function withoutCredentials(text: string): string {
  const bare = text.includes('@') ? text.replace(BARE_CREDENTIALS, `$1$2:${HIDDEN}@`) : text;
  if (!bare.includes('://')) return bare;
  return bare.replace(URL_IN_TEXT, (urls) => urls.split(BETWEEN_URLS).map(redacted).join(','));
}

function redacted(url: string): string {
  return withoutUser(url).replace(SECRET_PARAMETER, `$1${HIDDEN}`);
}

function withoutUser(url: string): string {
  const start = url.indexOf('://') + 3;
  const at = url.lastIndexOf('@');
  const authority = /^[^/?#]*/.exec(url.slice(start))?.[0] ?? '';
  if (at < start || !/[:@]/.test(authority)) return url;
  const credentials = url.slice(start, at);
  const user = /^([^:@/?#]*)(:?)/.exec(credentials);
  const name = user?.[1] ?? '';
  const isNameAlone = name === credentials;
  if (isNameAlone && /^postgres(?:ql)?:/i.test(url)) return url;
  const shown = isNameAlone || user?.[2] !== ':' ? HIDDEN : `${name}:${HIDDEN}`;
  return `${url.slice(0, start)}${shown}${url.slice(at)}`;
}
