import { describe, expect, it } from 'vitest';

import { readCommandUser, readVariableNames } from '../../../../src/config/command-settings.ts';

const FILES: Record<string, string> = {
  '/etc/passwd':
    'root:x:0:0:root:/root:/bin/sh\n' +
    'jobs:x:1001:1002:Jobs:/home/jobs:/bin/sh\n' +
    'bare:x:1003:1003:::\n' +
    'rooted:x:1004:0::/:/bin/sh\n',
  '/etc/group': 'root:x:0:\njobs:x:1002:\nmedia:x:2000:jobs\n',
};

function user(text: string, euid: number | undefined = 0) {
  return readCommandUser(text, {
    euid,
    readFile: (path) => {
      const content = FILES[path];
      if (content === undefined) throw new Error(`ENOENT ${path}`);
      return content;
    },
  });
}

describe('LEASEHOLD_COMMAND_USER', () => {
  it.each([
    ['jobs', { uid: 1001, gid: 1002, home: '/home/jobs' }],
    ['1001', { uid: 1001, gid: 1002, home: '/home/jobs' }],
    ['jobs:media', { uid: 1001, gid: 2000, home: '/home/jobs' }],
    ['jobs:2001', { uid: 1001, gid: 2001, home: '/home/jobs' }],
    ['bare', { uid: 1003, gid: 1003, home: '/' }],
    ['9000:9001', { uid: 9000, gid: 9001, home: '/' }],
    ['rooted:1004', { uid: 1004, gid: 1004, home: '/' }],
  ])('%s is read', (text, value) => {
    expect(user(text)).toEqual({ ok: true, value });
  });

  it.each([
    ['nobdy', 'names nobdy, which is not in /etc/passwd; write user, user:group, or numbers'],
    ['9000', 'has no group, because 9000 is not in /etc/passwd; write user, user:group'],
    ['jobs:nogroup', 'names the group nogroup, which is not in /etc/group; write user'],
    ['root', 'is root, which can read what belongs to the replica; name another'],
    ['0:1000', 'is root'],
    ['rooted', 'is in the group root'],
    ['jobs:root', 'is in the group root'],
    ['jobs:', 'is not a user: write user, user:group, or numbers such as 1001:1001'],
    [':jobs', 'is not a user'],
    ['a:b:c', 'is not a user'],
    ['jo bs', 'is not a user'],
    ['4294967295:1', 'names 4294967295, which is not in /etc/passwd'],
  ])('%s is refused, with what to do', (text, problem) => {
    expect(user(text)).toEqual({ ok: false, problem: expect.stringContaining(problem) as string });
  });

  it.each([[1000], [undefined]])('needs a replica that runs as root (this one: %s)', (euid) => {
    const read = readCommandUser('jobs', { euid, readFile: () => '' });
    expect(read).toEqual({
      ok: false,
      problem: expect.stringMatching(/only works in a replica that runs as root/) as string,
    });
  });
});

describe('LEASEHOLD_COMMAND_ENV', () => {
  it('lists names, separated by commas', () => {
    expect(readVariableNames(' HTTPS_PROXY,AWS_REGION , HTTPS_PROXY,')).toEqual({
      ok: true,
      value: ['HTTPS_PROXY', 'AWS_REGION'],
    });
  });

  it.each([
    ['A=b', 'lists names of variables, not values: write A'],
    ['A B', 'lists "A B", which is not the name of a variable'],
    ['1A', 'is not the name of a variable'],
    ['LEASEHOLD_FENCING_TOKEN', 'lists LEASEHOLD_FENCING_TOKEN, which every attempt sets itself'],
  ])('%s is refused', (text, problem) => {
    expect(readVariableNames(text)).toEqual({
      ok: false,
      problem: expect.stringContaining(problem) as string,
    });
  });
});
