import { may } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { LineFeed } from '../../core/lines.ts';
import type { LineSource } from './source.ts';

/** What can be listened to, by what stands before the colon, with the operation whose permission it takes. */
export function topicsOf(
  feeds: Readonly<Record<string, { readonly feed: LineFeed; readonly operation: string }>>,
): LineSource {
  const parts = (topic: string) => {
    const at = topic.indexOf(':');
    const known = at < 0 ? undefined : feeds[topic.slice(0, at)];
    return known && { ...known, name: topic.slice(at + 1) };
  };
  return {
    async assertKnown(topic, actor) {
      const known = parts(topic);
      if (!known)
        throw new StewardError('NOT_FOUND', `There is nothing to listen to at ${topic.slice(0, 100)}.`, {
          hint: `Expected ${Object.keys(feeds)
            .map((name) => `${name}:<name>`)
            .join(' or ')}, with * for all.`,
        });
      if (!may(actor, 'read', known.operation))
        throw new StewardError('FORBIDDEN', `${actor.name} is narrowed to less than ${known.operation}.`, {
          hint: 'Use a token whose scope has it.',
        });
      await known.feed.assertKnown(known.name);
    },
    listen(topic, options, emit, signal) {
      const known = parts(topic);
      known?.feed.listen(known.name, options, emit, signal);
    },
  };
}
