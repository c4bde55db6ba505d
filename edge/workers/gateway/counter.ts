import type { Count, CountAsked, Counters } from '../../handlers/gateway/counters.ts';
import { memoryCounters } from '../../handlers/gateway/memory-counters.ts';
import type { DurableObjects } from '../platform.ts';

type Verb = keyof Counters;

/**
 * The count of one key, in the memory of the one object that has it. It goes by its own clock: those who ask have one each. An
 * object that nobody asks for a minute or two is forgotten by the platform, and so is what left the window by then.
 */
export class Counter {
  private readonly counters = memoryCounters();

  async fetch(request: Request): Promise<Response> {
    const { bucket, ...rest } = (await request.json()) as Omit<CountAsked, 'now'> & Pick<Count, 'bucket'>;
    const asked: CountAsked = { ...rest, now: Date.now() };
    switch (new URL(request.url).pathname) {
      case '/give':
        await this.counters.give(asked, { ...(bucket !== undefined && { bucket }) });
        return new Response(null, { status: 204 });
      case '/take':
        return Response.json(await this.counters.take(asked));
      default:
        return Response.json(await this.counters.look(asked));
    }
  }
}

/** Counts that all places of the worker share. */
export function sharedCounters(objects: DurableObjects): Counters {
  const ask = async (verb: Verb, asked: CountAsked & Pick<Count, 'bucket'>): Promise<Response> =>
    await objects
      .get(objects.idFromName(asked.key))
      .fetch(`https://counter/${verb}`, { method: 'POST', body: JSON.stringify(asked) });
  const count = async (verb: Verb, asked: CountAsked): Promise<Count> =>
    (await (await ask(verb, asked)).json()) as Count;
  return {
    take: (asked) => count('take', asked),
    look: (asked) => count('look', asked),
    async give(asked, { bucket }) {
      await ask('give', { ...asked, ...(bucket !== undefined && { bucket }) });
    },
  };
}
