/**
 * Rewrites the system's apt sources to name another Debian suite on the same mirror. It keeps only
 * the entries of the system's main suite: security and update suites, and other vendors' archives,
 * may have no counterpart in the other suite.
 *
 * It reads both formats: deb822 stanzas (`*.sources`) and one-line `deb …` entries.
 */
export function retargetSources(text: string, codename: string, suite: string): string {
  const isMainSuite = (word: string): boolean =>
    [codename, 'stable', 'oldstable', 'testing'].includes(word.replace(/\/$/, ''));
  const kept: string[] = [];

  for (const stanza of text.split(/\n\s*\n/)) {
    const fields = stanza.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
    const field = (name: string): string | undefined =>
      fields
        .find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
        ?.slice(name.length + 1);
    const types = field('Types')?.trim().split(/\s+/) ?? [];
    const suites = field('Suites')?.trim().split(/\s+/) ?? [];
    const isOff = field('Enabled')?.trim().toLowerCase() === 'no';
    if (types.includes('deb') && suites.some(isMainSuite) && !isOff) {
      const rest = fields.filter((line) => !/^(types|suites|components|enabled):/i.test(line));
      kept.push(['Types: deb', `Suites: ${suite}`, 'Components: main', ...rest].join('\n'));
    }
  }

  for (const line of text.split('\n')) {
    const entry = /^deb\s+(\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(line.trim());
    const uri = entry?.[2];
    if (entry === null || uri === undefined || !isMainSuite(entry[3] ?? '')) continue;
    const signedBy = /signed-by=([^\s\]]+)/.exec(entry[1] ?? '')?.[1];
    const stanza = ['Types: deb', `URIs: ${uri}`, `Suites: ${suite}`, 'Components: main'];
    kept.push(
      [...stanza, ...(signedBy === undefined ? [] : [`Signed-By: ${signedBy}`])].join('\n'),
    );
  }

  return kept.length === 0 ? '' : `${kept.join('\n\n')}\n`;
}

/** The `Candidate:` of `apt-cache policy`, without epoch and Debian revision, if there is one. */
export function candidateVersion(policy: string): string | undefined {
  const candidate = /^\s*Candidate:\s*(?:\d+:)?(\d[^\s-]*)/m.exec(policy)?.[1];
  return candidate?.replace(/[+~].*$/, '');
}
