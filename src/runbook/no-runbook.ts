import { didYouMean } from './nearest.ts';

/** A stored version of a runbook. */
interface StoredVersion {
  readonly runbookId: string;
  readonly version: number;
}

/** That a runbook, or a version of it, is not stored, and what is. */
export function noRunbook(
  runbookId: string,
  version: number | undefined,
  stored: readonly StoredVersion[],
): string {
  const versions = stored.filter((one) => one.runbookId === runbookId).map((one) => one.version);
  if (version !== undefined && versions.length > 0) {
    const list = versions.toSorted((a, b) => b - a).slice(0, MAX_LISTED);
    const more = list.length < versions.length ? ', …' : '';
    return `runbook ${runbookId} has no version ${version}; stored: ${list.join(', ')}${more}`;
  }
  const ids = [...new Set(stored.map((one) => one.runbookId))];
  const near = didYouMean(runbookId, ids);
  return `there is no runbook ${runbookId}${near === '' ? '; push it first' : near}`;
}

/** At most this many versions are named, the newest first. */
const MAX_LISTED = 10;
