import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { SecretStore } from '../../../../advancer/secrets/secret-store.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

let dir: string;
let clock: HandClock;
let lines: { level: string; fields: object; text: string }[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'leasehold-secrets-'));
  clock = new HandClock();
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const put = (name: string, content: string): void => {
  writeFileSync(join(dir, `.${name}`), content);
  renameSync(join(dir, `.${name}`), join(dir, name));
};

function open(variables: Record<string, string> = {}): { store: SecretStore; stop: () => void } {
  const store = new SecretStore({ dir, variables }, clock);
  const log =
    (level: string) =>
    (fields: object, text: string): void =>
      void lines.push({ level, fields, text });
  const logger = {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    fatal: log('fatal'),
  };
  return { store, stop: store.follow(logger) };
}

describe('the secrets of a replica', () => {
  it('are its variables and the files of the directory, without a trailing line end', () => {
    put('FILE', 'from a file\n');
    put('TWO', 'two lines\n\n');
    const { store } = open({ VARIABLE: 'from a variable' });
    expect(store.names()).toEqual(['FILE', 'TWO', 'VARIABLE']);
    expect(store.value('FILE')).toBe('from a file');
    expect(store.value('TWO')).toBe('two lines\n');
    expect(store.value('VARIABLE')).toBe('from a variable');
    expect(store.value('OTHER')).toBeUndefined();
    const text = store.redaction().text('from a file, from a variable');
    expect(text).toBe('[secret FILE], [secret VARIABLE]');
  });

  it('change with their files, and the former value is still redacted', async () => {
    put('A', 'the old value');
    const { store } = open();
    put('A', 'the new value');
    await clock.advance(1_000);
    expect(store.value('A')).toBe('the new value');
    expect(store.redaction().text('the old value, the new value')).toBe('[secret A], [secret A]');
    expect(lines).toEqual([{ level: 'info', fields: { secret: 'A' }, text: 'read a secret' }]);
  });

  it('are redacted as soon as they are seen, before they come into use', async () => {
    put('A', 'the old value');
    const { store } = open();
    await clock.advance(200);
    put('A', 'the new value');
    clock.jump(150);
    expect(store.redaction().text('the new value')).toBe('[secret A]');
    expect(store.value('A')).toBe('the old value');
    await clock.advance(1_000);
    expect(store.value('A')).toBe('the new value');
  });

  it('appear and vanish, which listeners learn', async () => {
    put('A', 'the first value');
    const { store } = open();
    const heard: string[] = [];
    store.onNames(() => heard.push(store.names().join()));
    put('B', 'the other value');
    await clock.advance(1_000);
    expect(heard).toEqual(['A,B']);
    rmSync(join(dir, 'A'));
    await clock.advance(1_000);
    expect(heard).toEqual(['A,B', 'B']);
    expect(store.value('A')).toBeUndefined();
    expect(store.redaction().text('the first value')).toBe('[secret A]');
    expect(lines).toContainEqual({
      level: 'warn',
      fields: { secret: 'A' },
      text: 'a secret is gone',
    });
  });

  it('do not change when a file is empty or gone for a moment', async () => {
    put('A', 'the old value');
    const { store } = open();
    writeFileSync(join(dir, 'A'), '');
    clock.jump(150);
    expect(store.value('A')).toBe('the old value');
    rmSync(join(dir, 'A'));
    clock.jump(150);
    expect(store.value('A')).toBe('the old value');
    put('A', 'the new value');
    await clock.advance(1_000);
    expect(store.value('A')).toBe('the new value');
    expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  it('stay as they were while a file cannot be used, and the log names it without its content', async () => {
    put('A', 'the old value');
    const { store } = open();
    put('A', 'hunter2');
    await clock.advance(2_000);
    expect(store.value('A')).toBe('the old value');
    expect(lines).toMatchObject([
      { level: 'warn', text: 'a secret cannot be read; it stays as it was' },
    ]);
    expect(JSON.stringify(lines)).toContain('A is shorter than 8 bytes');
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    put('A', 'the new value');
    await clock.advance(1_000);
    expect(store.value('A')).toBe('the new value');
    const texts = lines.map(({ text }) => text);
    expect(texts).toEqual(expect.arrayContaining(['all secrets can be read', 'read a secret']));
  });

  it('stay while the directory cannot be read', async () => {
    put('A', 'the old value');
    const { store } = open();
    renameSync(dir, `${dir}-away`);
    await clock.advance(2_000);
    expect(store.value('A')).toBe('the old value');
    expect(JSON.stringify(lines)).toContain('LEASEHOLD_SECRETS_DIR: ENOENT');
    renameSync(`${dir}-away`, dir);
    await clock.advance(1_000);
    expect(store.value('A')).toBe('the old value');
  });

  it('of a variable do not change with a file of that name', async () => {
    const { store } = open({ A: 'the variable' });
    put('A', 'the file of it');
    await clock.advance(2_000);
    expect(store.value('A')).toBe('the variable');
    expect(JSON.stringify(lines)).toContain('A is set by LEASEHOLD_SECRET_A, too; keep one');
    expect(store.redaction().text('the file of it')).toBe('[secret A]');
  });

  it('are remembered up to a bound', async () => {
    put('A', 'value number 0');
    const { store } = open();
    for (let n = 1; n <= 70; n += 1) {
      put('A', `value number ${n}.`);
      await clock.advance(1_000);
    }
    expect(store.redaction().text('value number 70. value number 20.')).toBe(
      '[secret A] [secret A]',
    );
    expect(store.redaction().text('value number 2.')).toBe('value number 2.');
  });

  it('are not looked at any more once nobody follows them', () => {
    const { stop } = open();
    expect(clock.timers).toBe(1);
    stop();
    expect(clock.timers).toBe(0);
  });
});
