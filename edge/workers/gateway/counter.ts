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
    const verb: Verb = new URL(request.url).pathname === '/take' ? 'take' : 'look';
    const asked = (await request.json()) as Omit<CountAsked, 'now'>;
    return Response.json(await this.counters[verb]({ ...asked, now: Date.now() }));
  }
}

/** Counts that all places of the worker share. */
export function sharedCounters(objects: DurableObjects): Counters {
  const ask =
    (verb: Verb) =>
    async (asked: CountAsked): Promise<Count> => {
      const counter = objects.get(objects.idFromName(asked.key));
      const answer = await counter.fetch(`https://counter/${verb}`, { method: 'POST', body: JSON.stringify(asked) });
      return (await answer.json()) as Count;
    };
  return { take: ask('take'), look: ask('look') };
}
