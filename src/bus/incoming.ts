import type { Msg } from 'nats';

import type { Json } from '../json.ts';
import type { BusMessage } from './bus.ts';
import { reportedAccount } from './reported-account.ts';

/** A message of the client as the bus passes it on; `reply` gets the subject to reply to. */
export function incoming(message: Msg, reply: (to: string, body: Json) => void): BusMessage {
  // The client decodes headers and the reply subject at each access, so only who needs them pays.
  return {
    subject: message.subject,
    data: message.data,
    get wantsReply() {
      return hasReply(message);
    },
    get account() {
      return reportedAccount(message);
    },
    reply: (body) => {
      if (hasReply(message)) reply(message.reply, body);
    },
  };
}

function hasReply(message: Msg): message is Msg & { reply: string } {
  return message.reply !== undefined && message.reply !== '';
}
