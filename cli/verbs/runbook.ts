import type { DefineVerb } from '../verb.ts';
import { defineDiff } from './runbook/diff.ts';
import { defineLint } from './runbook/lint.ts';
import { defineList } from './runbook/list.ts';
import { definePush } from './runbook/push.ts';
import { defineSchema } from './runbook/schema.ts';
import { defineShow } from './runbook/show.ts';

/** `leasehold runbook push | list | show | diff | lint | schema` */
export const runbook: DefineVerb = (command, register) => {
  command.description('Push, list, show, compare or lint runbooks.');
  definePush(command.command('push'), register);
  defineList(command.command('list'), register);
  defineShow(command.command('show'), register);
  defineDiff(command.command('diff'), register);
  defineLint(command.command('lint'), register);
  defineSchema(command.command('schema'), register);
};
