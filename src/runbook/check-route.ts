import { parsePlaceholders, placeholdersOf, placeholderText } from './placeholder.ts';
import type { Finding, Path } from './problem.ts';
import { slotFault, urlPlaces } from './url-template.ts';

/** What is wrong, or risky, with the places where values are filled into a URL. */
export function checkUrl(url: string, path: Path): Finding[] {
  if (!url.includes('${') && !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ''))
    return [{ path, severity: 'error', message: 'must be an http:// or https:// URL' }];
  return urlPlaces(url).flatMap((slot): Finding[] => {
    const { placeholder, place } = slot;
    const name = placeholderText(placeholder);
    const fault = slotFault(slot);
    if (fault !== undefined)
      return [{ path, severity: 'error', message: `cannot be filled: ${name} ${fault}` }];
    if (place !== 'base' && place !== 'host') return [];
    const message =
      `lets ${name} choose the host: write the host, ` +
      'or limit it by LEASEHOLD_HTTP_ALLOW on the replicas';
    return [{ path, severity: 'warning', message }];
  });
}

/** Arguments that a value could turn into an option, or the program itself. */
export function checkArguments(command: readonly string[], path: Path): Finding[] {
  return [...visibleSecrets(command, path), ...riskyArguments(command, path)];
}

/** Everybody on a machine can list the arguments of its processes. */
function visibleSecrets(command: readonly string[], path: Path): Finding[] {
  return placeholdersOf(command.slice(1), []).flatMap(({ at, placeholder }): Finding[] => {
    if (placeholder?.root !== 'secrets') return [];
    const message =
      `shows ${placeholderText(placeholder)} to every user of the replica's machine, ` +
      'who can list its processes: pass it in env or stdin';
    return [{ path: [...path, Number(at[0]) + 1], severity: 'warning', message }];
  });
}

function riskyArguments(command: readonly string[], path: Path): Finding[] {
  return command.flatMap((argument, i): Finding[] => {
    const name = leadingPlaceholder(argument);
    if (name === undefined) return [];
    if (i === 0) {
      const message = `lets ${name} choose the program: write the program`;
      return [{ path: [...path, i], severity: 'warning', message }];
    }
    if (command.slice(1, i).includes('--')) return [];
    const message =
      `begins with ${name}, which is read as an option if its value begins with -: ` +
      `put -- before it, or write --name=${name}`;
    return [{ path: [...path, i], severity: 'warning', message }];
  });
}

/** Names of a command's variables. */
export function checkVariables(env: Readonly<Record<string, string>>, path: Path): Finding[] {
  return Object.keys(env).flatMap((name): Finding[] => {
    const message = !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)
      ? 'is not the name of a variable: write letters, digits and _'
      : name.startsWith('LEASEHOLD_')
        ? 'is reserved: what begins with LEASEHOLD_ is set by the replica'
        : undefined;
    return message === undefined
      ? []
      : [{ path: [...path, name], atKey: true, severity: 'error', message }];
  });
}

function leadingPlaceholder(text: string): string | undefined {
  const parsed = parsePlaceholders(text);
  const [first] = parsed.ok ? parsed.parts : [];
  return first?.kind === 'placeholder' ? placeholderText(first.placeholder) : undefined;
}
