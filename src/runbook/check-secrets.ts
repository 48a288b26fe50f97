import type { Finding, Path } from './problem.ts';

/** Why a field of a cell may have no secret, where there is more to say than that. */
const REASONS: Readonly<Record<string, string>> = {
  when: 'what a check looks at is recorded',
  assert: 'what a check looks at is recorded',
  expect: 'what was expected is recorded',
  await: 'claims are recorded',
  run: 'the inputs of an instance are recorded; the other runbook can use the secret itself',
};

/**
 * Why no secret may stand at this place of a cell; continues a sentence after its placeholder.
 * What an effect receives is not recorded, so secrets are for effects alone.
 */
export function secretFault(path: Path): string | undefined {
  const [top = '', ...below] = path[0] === 'undo' ? path.slice(1) : path;
  // An undo may be an effect alone.
  const [field, part] = top === 'exec' || top === 'probe' ? below : [top, ...below];
  switch (field) {
    case 'http':
    case 'env':
    case 'stdin':
      return undefined;
    case 'command':
      return part === 0 ? 'but a secret cannot be the program; pass it in env or stdin' : undefined;
    case 'cwd':
      return 'but a directory is no secret; pass it in env or stdin';
    default:
      return `but secrets are for effects only: ${REASONS[top] ?? 'this is recorded'}`;
  }
}

/** Text is never filled; its author may believe that it is. */
export function checkProse(prose: string): Finding[] {
  const found = /(?<!\$)\$\{secrets\.[^}]*\}/.exec(prose)?.[0];
  if (found === undefined) return [];
  const message = `refers to ${found}, but text is shown as it is; write $${found} to mention it`;
  return [{ path: ['prose'], severity: 'error', message }];
}
