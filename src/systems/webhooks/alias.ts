import type { IncomingMessage, ServerResponse } from 'node:http';
import { judgeHead } from '../../../edge/handlers/webhooks/receive.ts';
import type { HookReceiver } from '../../core/hook-receiver.ts';
import type { Log } from '../../core/log.ts';
import { addressOf } from '../address-of.ts';
import { type Answer, answerOf, type Budget, headerOf, readBody, send, sendUnread } from './answer.ts';
import type { Front } from './front.ts';
import type { SentArrival } from './messages.ts';

const RETRY_SECONDS = '5';
/** Of all bodies in hand here; the thread has most of what comes, and its own. */
const IN_HAND_BYTES = 64 * 1024 * 1024;

/** Webhooks that come in by another listener of Steward: what is answered is the thread's to say. */
export function createAlias({
  front,
  trustedProxies,
  log,
}: {
  /** Nothing where no type is configured. */
  readonly front: () => Pick<Front, 'ask'> | undefined;
  readonly trustedProxies: () => readonly string[];
  readonly log: Log;
}): HookReceiver<IncomingMessage, ServerResponse> {
  const budget: Budget = { left: IN_HAND_BYTES };
  const failed = (thrown: unknown): Answer => {
    log.error('webhook could not be answered', { reason: String(thrown) });
    return answerOf(503, { error: 'It was not taken: send it again.' }, { 'retry-after': RETRY_SECONDS });
  };

  return {
    receive(request, response, path) {
      const header = headerOf(request);
      const arrival: SentArrival = {
        method: request.method ?? '',
        path,
        headers: Object.fromEntries(Object.keys(request.headers).map((name) => [name, header(name) ?? ''])),
        address: addressOf(request, trustedProxies()),
      };
      const refuse = (answer: Answer): void => sendUnread(request, response, answer);
      const asked = front();
      if (!asked) {
        const head = judgeHead({ ...arrival, headers: header }, () => undefined);
        return refuse(
          head.is === 'refused' ? answerOf(head.status, { error: head.message }, head.headers) : failed(''),
        );
      }
      asked
        .ask('head', arrival)
        .then((head) => {
          if ('status' in head) return refuse(head);
          readBody(request, response, { most: head.maxBytes, budget }, (body) => {
            const say = typeof body === 'string' ? refuse : (answer: Answer) => send(response, answer);
            asked
              .ask('take', { ...arrival, body })
              .catch(failed)
              .then(say, () => response.destroy());
          });
        })
        .catch((thrown: unknown) => refuse(failed(thrown)));
    },
  };
}
