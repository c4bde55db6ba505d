import { DurableObject } from 'cloudflare:workers';
import type { Count, CountAsked, Counters } from '../../handlers/gateway/counters.ts';
import { count, emptyAt, emptyLog, giveBack, type Log, nothingCounted } from '../../handlers/gateway/window.ts';
import type { DurableObjects, ObjectStorage } from '../platform.ts';

type Verb = keyof Counters;
type Asked = CountAsked & Pick<Count, 'bucket'>;

/**
 * The count of one key, in the store of the one object that has it: the platform takes an object out of memory after ten seconds in
 * which nobody asks. Nobody has an answer before what it says is stored. It goes by its own clock: those who ask have one each.
 */
export class Counter extends DurableObject<ObjectStorage<Log>> {
  async fetch(request: Request): Promise<Response> {
    const asked: Asked = { ...((await request.json()) as Asked), now: Date.now() };
    switch (new URL(request.url).pathname) {
      case '/give':
        this.give(asked);
        return new Response(null, { status: 204 });
      case '/take':
        return Response.json(await this.take(asked));
      default:
        return Response.json(this.look(asked));
    }
  }

  private async take(asked: Asked): Promise<Count> {
    const { storage } = this.ctx;
    const log = storage.kv.get(nameOf(asked)) ?? emptyLog();
    const counted = count(log, asked, true);
    if (!counted.allowed) return counted;
    storage.kv.put(nameOf(asked), log);
    if ((await storage.getAlarm()) === null) await storage.setAlarm(emptyAt(log, asked.windowMs));
    return counted;
  }

  private look(asked: Asked): Count {
    const log = this.ctx.storage.kv.get(nameOf(asked));
    return log ? count(log, asked, false) : nothingCounted(asked);
  }

  private give(asked: Asked): void {
    const { kv } = this.ctx.storage;
    const log = kv.get(nameOf(asked));
    if (!log) return;
    giveBack(log, asked, asked.bucket);
    kv.put(nameOf(asked), log);
  }

  /** An object with nothing in its store is none any more. */
  async alarm(): Promise<void> {
    const { storage } = this.ctx;
    const ends = [...storage.kv.list()].map(([windowMs, log]) => emptyAt(log, Number(windowMs)));
    const last = Math.max(...ends);
    if (last > Date.now()) await storage.setAlarm(last);
    else await storage.deleteAll();
  }
}

const nameOf = ({ windowMs }: CountAsked): string => String(windowMs);

/** Counts that all places of the worker share. */
export function sharedCounters(objects: DurableObjects): Counters {
  const ask = async (verb: Verb, asked: Asked): Promise<Response> =>
    await objects
      .get(objects.idFromName(asked.key))
      .fetch(`https://counter/${verb}`, { method: 'POST', body: JSON.stringify(asked) });
  const answer = async (verb: Verb, asked: CountAsked): Promise<Count> =>
    (await (await ask(verb, asked)).json()) as Count;
  return {
    take: (asked) => answer('take', asked),
    look: (asked) => answer('look', asked),
    async give(asked, { bucket }) {
      await ask('give', { ...asked, ...(bucket !== undefined && { bucket }) });
    },
  };
}
