/** What was said, in the forms that programs put it into: what an effect prints of its secret. */
export function echo(said: string): { [name: string]: string | string[] } {
  const bare = said.replace('Bearer ', '');
  return {
    said,
    nested: JSON.stringify({ token: bare }),
    percent: `?token=${encodeURIComponent(bare)}`,
    form: new URLSearchParams({ token: bare }).toString(),
    basic: Buffer.from(`user:${bare}`).toString('base64'),
    url: Buffer.from(`a:${bare}`).toString('base64url'),
    [`key ${bare}`]: [bare],
  };
}
