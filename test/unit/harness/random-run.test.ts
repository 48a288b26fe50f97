import { describe, expect, it } from 'vitest';

import { readArguments } from '../../harness/random-run.ts';

const OPTIONS = {
  lives: { about: 'how many there are', least: 1, byDefault: 10 },
  seed: { about: 'the seed', least: 0 },
};

function read(text: string) {
  return readArguments('random-lives', OPTIONS, text === '' ? [] : text.split(' '));
}

describe('the arguments of a random run', () => {
  it('are whole numbers, and those left out have their defaults', () => {
    expect(read('')).toEqual({ kind: 'run', values: { lives: 10 } });
    expect(read('--seed 7 --lives=3')).toEqual({ kind: 'run', values: { seed: 7, lives: 3 } });
  });

  it.each(['--help', '-h', '--lives 3 --help'])('%s prints what there is', (text) => {
    const help = read(text);
    expect(help.kind).toBe('help');
    expect('usage' in help && help.usage).toBe(
      'npm run random-lives -- [options]\n' +
        '  --lives <n>         how many there are (10)\n' +
        '  --seed <n>          the seed',
    );
  });

  it.each([
    ['--live 3', 'there is no option --live'],
    ['-x', 'there is no option -x'],
    ['7', '7 is no option'],
    ['--lives', '--lives must be a whole number from 1, not nothing'],
    ['--lives=', '--lives must be a whole number from 1, not '],
    ['--lives 0', '--lives must be a whole number from 1, not 0'],
    ['--seed 1.5', '--seed must be a whole number from 0, not 1.5'],
    ['--seed seven', '--seed must be a whole number from 0, not seven'],
  ])('%s is wrong, and named', (text, why) => {
    expect(read(text)).toMatchObject({ kind: 'wrong', why });
  });
});
