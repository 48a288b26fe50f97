import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * House rules that no other tool checks: how long a file may be, which names and words to avoid,
 * and how wide a comment may be. Which room may import which is in `rooms.test.ts`.
 */

const ROOT = join(import.meta.dirname, '..', '..');
const FOLDERS = [
  'src',
  'coordinator',
  'advancer',
  'cli',
  'tools',
  'test',
  'examples',
  'docs',
  'deploy',
  'scripts',
  '.',
];

const MOST_LINES = 300;
const MOST_COLUMNS = 100;

/** Files that may be longer, each with the reason why it is one piece all the same. */
const LONGER: Readonly<Record<string, string>> = {};

/** Names that say nothing about what a file holds. */
const BANNED_FILE_NAMES = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'types'];

/** Names that this code once had for things that the field has a word for, with that word. */
const BANNED_NAMES: Readonly<Record<string, string>> = {
  Letter: 'UnreadBroadcast',
  Guest: 'Waiter',
  Lobby: 'WaitingRoom',
  Errand: 'Operation',
  Ask: 'PendingRequest',
  Standing: 'RequestProgress',
  Desk: 'Queries',
  Pulse: 'StallDetector',
  LogKeeper: 'LogHealth',
  AnsweredNotes: 'AnswerNotices',
  Course: 'InstanceView',
  Said: 'AttemptStatement',
  ChurnMap: 'TransientMap',
  ChurnSet: 'TransientSet',
  answeredWithin: 'withDeadline',
  askOnce: 'requestUntilAnswered',
  KnownHolders: 'HolderCache',
  Arena: 'Stack',
  Assault: 'FaultRunner',
  Reckoning: 'Evaluation',
  Told: 'ClientHistory',
  Crew: 'ReplicaPool',
  Stock: 'PreparedInstances',
  handBack: 'release',
  giveBack: 'release',
  letGo: 'release',
};

/** Words over which a native reader stumbles, with what to write instead. */
const BANNED_WORDS: readonly (readonly [word: RegExp, instead: string])[] = [
  [/\bmend(s|ed|ing)?\b/i, 'fix'],
  [/\banew\b/i, 'again'],
  [/\bwhoever\b/i, 'the replica, agent or person that'],
  [/\bbeside\b/i, 'next to, compared with'],
  [
    /\bof (its|their) own(?=$|[,.;:)]| (and|as|in|for|with|to|at|that|which) )/i,
    'its own, a separate, or nothing',
  ],
  [/\bso many\b/i, 'this many, at most'],
  [/\b(tells?|told) of\b/i, 'describes, reports'],
  [/\bis told\b/i, 'learns, receives'],
  [/\bhence\b/i, 'so, therefore'],
  [/\bshut\b(?! down)/i, 'close'],
];

interface SourceFile {
  readonly name: string;
  readonly text: string;
}

function filesOf(endings: readonly string[]): SourceFile[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' })
      .map((name) => (folder === '.' ? name : `${folder}/${name.replaceAll('\\', '/')}`))
      .filter((name) => endings.some((ending) => name.endsWith(ending))),
  ).map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));
}

/** The text without line breaks and comment marks, so that a phrase is found across lines. */
function flowing(text: string): string {
  return text.replaceAll(/\n\s*(?:\*(?!\/)|\/\/|--|#)?\s*/g, ' ');
}

function bannedWords({ name, text }: SourceFile): string[] {
  const words = flowing(text);
  return BANNED_WORDS.flatMap(([word, instead]) => {
    const found = word.exec(words);
    if (found === null) return [];
    const around = words.slice(Math.max(0, found.index - 30), found.index + 40);
    return [`${name}: "…${around}…": write ${instead}`];
  });
}

function bannedNames({ name, text }: SourceFile): string[] {
  return Object.entries(BANNED_NAMES)
    .filter(([banned]) =>
      new RegExp(`\\b(class|interface|type|function|const) ${banned}\\b`).test(text),
    )
    .map(([banned, instead]) => `${name}: ${banned} is called ${instead} here`);
}

/** Lines that are a comment from their first character on. A long address may stand alone. */
function wideComments({ name, text }: SourceFile): string[] {
  return text.split('\n').flatMap((line, index) => {
    const comment = /^\s*(?:\/\/|\/\*\*|\*|--) (?<words>.*)$/.exec(line)?.groups?.['words'];
    const tooWide = comment !== undefined && line.length > MOST_COLUMNS && comment.includes(' ');
    return tooWide ? [`${name}:${index + 1}: ${line.length} columns`] : [];
  });
}

function tooLong({ name, text }: SourceFile): string[] {
  const lines = text.split('\n').length - 1;
  return lines > MOST_LINES && LONGER[name] === undefined ? [`${name}: ${lines} lines`] : [];
}

const CODE = ['.ts', '.mjs', '.sql'];
const SELF = 'test/unit/style.test.ts';
const code = filesOf(CODE).filter(({ name }) => name !== SELF);
const prose = [...code, ...filesOf(['.md', '.yaml', '.yml'])];

describe('the house rules', () => {
  it('see the code and the prose', () => {
    expect(code.length).toBeGreaterThan(400);
    expect(prose.length).toBeGreaterThan(code.length);
  });

  it(`a file has at most ${MOST_LINES} lines, unless a reason is listed`, () => {
    expect(code.flatMap(tooLong)).toEqual([]);
    const stillLonger = code.filter(({ text }) => text.split('\n').length - 1 > MOST_LINES);
    expect(Object.keys(LONGER).sort()).toEqual(stillLonger.map(({ name }) => name).sort());
  });

  it('a file name says what is in the file', () => {
    const banned = code.filter(({ name }) =>
      BANNED_FILE_NAMES.includes(basename(name).replace(/\.(test\.)?[a-z]+$/, '')),
    );
    expect(banned.map(({ name }) => name)).toEqual([]);
  });

  it('one word stands for one thing', () => {
    expect(code.flatMap(bannedNames)).toEqual([]);
  });

  it('prose, comments and messages are in plain English', () => {
    expect(prose.flatMap(bannedWords)).toEqual([]);
  });

  it(`comments wrap at ${MOST_COLUMNS} columns`, () => {
    expect(code.flatMap(wideComments)).toEqual([]);
  });

  it.each([
    [bannedWords, ' * The lease is handed\n * back by whoever holds it.'],
    [bannedWords, '// a folder of its\n  // own'],
    [bannedWords, "throw new Error('ask anew');"],
    [bannedNames, 'export class Lobby {'],
    [bannedNames, 'type Said = string;'],
    [wideComments, `  // ${'long '.repeat(25)}`],
    [tooLong, 'x\n'.repeat(MOST_LINES + 1)],
  ])('%o sees a breach', (check, text) => {
    expect(check({ name: 'src/x.ts', text })).toHaveLength(1);
  });

  it.each([
    [bannedWords, ' * The holder of its own attempt releases the lease, then can shut down.'],
    [bannedNames, 'const lobbyist = 1; import { Said } from "x";'],
    [wideComments, `  // https://example.test/${'long'.repeat(25)}`],
    [tooLong, 'x\n'.repeat(MOST_LINES)],
  ])('%o lets good text pass', (check, text) => {
    expect(check({ name: 'src/x.ts', text })).toEqual([]);
  });
});
