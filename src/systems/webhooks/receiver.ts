import { randomUUID } from 'node:crypto';
import { memoryCounted } from '../../../edge/handlers/webhooks/counted.ts';
import {
  admit,
  type Arrival,
  incomplete,
  judgeBody,
  judgeHead,
  type Refused,
  tooLarge,
  type TypesByName,
} from '../../../edge/handlers/webhooks/receive.ts';
import type { ReadyType } from '../../../edge/handlers/webhooks/types.ts';
import type { Log } from '../../core/log.ts';
import { storableText } from '../../core/storable-text.ts';
import { memoryCounters } from '../../../edge/handlers/gateway/memory-counters.ts';
import { type Answer, answerOf, type Body } from './answer.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { Counts, Questions } from './messages.ts';
import { type Delivery, encode } from './record.ts';
import { serverDigests } from '../server-digests.ts';

export interface Awaited {
  readonly name: string;
  readonly ready: ReadyType;
}

/** Says what is answered: 202 only when it is on disk. */
export interface Receiver {
  readonly counts: Counts;
  /** What can be said before the body is there. */
  head(arrival: Arrival): Answer | Awaited;
  /** What somebody else was sent. */
  admit(asked: Questions['admit']['asked']): Promise<Questions['admit']['answer']>;
  /** What is known to be good: 202 when it is on disk. */
  keep(delivery: Delivery, say: (answer: Answer) => void): void;
  take(arrival: Arrival, body: Body, awaited: Awaited, say: (answer: Answer) => void): void;
}

export interface ReceiverDeps {
  readonly journal: Pick<JournalWriter, 'append'>;
  readonly types: TypesByName;
  readonly now: () => Date;
  readonly log: Log;
}

const RETRY_SECONDS = '5';
const REMEMBERED = 50;
const SHOWN_PATH = 100;

export function createReceiver({ journal, types, now, log }: ReceiverDeps): Receiver {
  const counters = memoryCounters();
  const counted = memoryCounted();
  const counts: Counts = { accepted: 0, refused: {}, lately: [] };
  let toldOfFailureAt = 0;

  function remember(reason: string, status: number, message: string, { path, address }: Arrival): void {
    counts.refused[reason] = (counts.refused[reason] ?? 0) + 1;
    const one = { at: now(), path: storableText(path.slice(0, SHOWN_PATH)), address, reason, status, message };
    counts.lately = [one, ...counts.lately.slice(0, REMEMBERED - 1)];
  }

  function refused({ code, status, message, headers }: Refused, arrival: Arrival): Answer {
    remember(code, status, message, arrival);
    log.debug('webhook refused', { code, status });
    return answerOf(status, { error: message }, headers);
  }

  function unkept({ message }: Error): Answer {
    counts.refused['disk'] = (counts.refused['disk'] ?? 0) + 1;
    counts.unkept = message;
    if (toldOfFailureAt === 0 || performance.now() - toldOfFailureAt > 60_000) {
      toldOfFailureAt = performance.now();
      log.error('webhooks are answered with 503: the journal cannot be written', { reason: message });
    }
    return answerOf(
      503,
      { error: `It could not be put on disk, so it was not taken: send it again. ${message}.` },
      { 'retry-after': RETRY_SECONDS },
    );
  }

  function busy(): Answer {
    counts.refused['busy'] = (counts.refused['busy'] ?? 0) + 1;
    return answerOf(
      503,
      { error: 'Too much is being received at the moment, so it was not taken: send it again.' },
      { 'retry-after': RETRY_SECONDS },
    );
  }

  function keep(delivery: Delivery, say: (answer: Answer) => void): void {
    journal.append(encode(delivery), (failed) => {
      if (failed) return say(unkept(failed));
      counts.accepted += 1;
      say(answerOf(202, { status: 'queued', id: delivery.id }));
    });
  }

  async function judge(arrival: Arrival, body: Buffer, awaited: Awaited, say: (answer: Answer) => void): Promise<void> {
    const receivedAt = now();
    const verdict = await judgeBody(arrival, body, awaited, {
      digests: serverDigests,
      now: receivedAt.getTime(),
      newId: randomUUID,
      counters,
      counted,
    });
    if (verdict.is === 'refused') return say(refused(verdict, arrival));
    if (verdict.is === 'answered') return say(answerOf(200, verdict.body));
    const { is: _is, ...accepted } = verdict;
    keep({ ...accepted, receivedAt, address: arrival.address, body }, say);
  }

  return {
    counts,
    keep,
    async admit({ type: name, id, data, hasSchema }) {
      const ready = types(name);
      if (hasSchema && !ready?.check) return incomplete();
      if (!ready) return { is: 'admitted' };
      return await admit(data, { name, ready, id }, { now: now().getTime(), counters, counted });
    },
    head(arrival) {
      const head = judgeHead(arrival, types);
      return head.is === 'refused' ? refused(head, arrival) : head;
    },
    take(arrival, body, awaited, say) {
      if (body === 'too-large') return say(refused(tooLarge(awaited.ready), arrival));
      if (body === 'busy') return say(busy());
      judge(arrival, body, awaited, say).catch((thrown: unknown) => {
        log.error('webhook could not be answered', { reason: String(thrown) });
        say(answerOf(500, { error: 'Something went wrong here; it was not taken.' }));
      });
    },
  };
}
