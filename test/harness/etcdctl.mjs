#!/usr/bin/env node
// Stands in for etcdctl, where a machine does not have it, to run deploy/etcd/roles.sh: the same
// commands, sent to the HTTP gateway of the server that ETCDCTL_ENDPOINTS names.
import { readFileSync } from 'node:fs';

const [, , ...args] = process.argv;
const { ETCDCTL_ENDPOINTS: endpoint, ETCDCTL_USER: login = '' } = process.env;

async function call(path, body, token) {
  const answer = await fetch(`${endpoint}/v3/auth/${path}`, {
    method: 'POST',
    headers: token === undefined ? {} : { authorization: token },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`etcd answered ${answer.status} to ${path}: ${text}`);
  return JSON.parse(text);
}

async function logIn() {
  if (login === '') return undefined;
  const at = login.indexOf(':');
  const credentials = { name: login.slice(0, at), password: login.slice(at + 1) };
  return (await call('authenticate', credentials)).token;
}

/** The end of the range of all keys with the prefix. */
function endOf(prefix) {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] += 1;
  return bytes;
}

function request() {
  const flags = args.filter((arg) => arg.startsWith('--'));
  const words = args.filter((arg) => !arg.startsWith('--'));
  switch (words.slice(0, 2).join(' ')) {
    case 'role add':
      return ['role/add', { name: words[2] }];
    case 'role grant-permission': {
      const [, , name, type, key] = words;
      if (!flags.includes('--prefix')) throw new Error('only --prefix is known');
      const perm = {
        permType: type.toUpperCase(),
        key: Buffer.from(key).toString('base64'),
        range_end: endOf(key).toString('base64'),
      };
      return ['role/grant', { name, perm }];
    }
    case 'user add': {
      const noPassword = flags.includes('--no-password');
      if (!noPassword && !flags.includes('--interactive=false')) throw new Error('it would prompt');
      const password = noPassword ? '' : readFileSync(0, 'utf8').split('\n')[0];
      return ['user/add', { name: words[2], password, options: { no_password: noPassword } }];
    }
    case 'user grant-role':
      return ['user/grant', { user: words[2], role: words[3] }];
    default:
      throw new Error(`unknown: etcdctl ${args.join(' ')}`);
  }
}

const [path, body] = request();
await call(path, body, await logIn());
