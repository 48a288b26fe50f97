import type { DefineVerb } from '../verb.ts';
import { defineChanges } from './schedule/change.ts';
import { defineList } from './schedule/list.ts';
import { defineNext } from './schedule/next.ts';
import { definePut } from './schedule/put.ts';
import { defineShow } from './schedule/show.ts';

/** `leasehold schedule put | list | show | pause | resume | delete | next` */
export const schedule: DefineVerb = (command, register) => {
  command.description('Start instances at set times.');
  definePut(command.command('put'), register);
  defineList(command.command('list'), register);
  defineShow(command.command('show'), register);
  defineChanges(command, register);
  defineNext(command.command('next'), register);
};
