import { z } from 'zod';
import type { SyslogPeer } from '../../core/syslog.ts';
import type { Feed } from './feed.ts';
import { forwardFollower } from './forward.ts';
import { type Place, placeFollower } from './places.ts';

export const Delivery = z.object({
  kind: z.enum(['forward', 'checkpoints']),
  to: z.string().describe('The address or the path.'),
  seq: z.number().int().describe('The last record of this node that arrived there.'),
  behind: z.number().int().describe('Records that did not arrive there yet.'),
  failingSince: z.coerce.date().optional(),
  error: z.string().optional().describe('Why the last attempt failed; it is tried again.'),
});
export type Delivery = z.input<typeof Delivery> & { readonly failingSince?: Date | undefined };

/** Where the record of this node goes besides the store, and how far behind that is. */
export async function deliveriesOf(
  feed: Pick<Feed, 'states'>,
  { places, forward }: { readonly places: readonly Place[]; readonly forward: readonly SyslogPeer[] },
): Promise<Delivery[]> {
  if (places.length === 0 && forward.length === 0) return [];
  const { head, followers } = await feed.states();
  const states = new Map(followers.map((state) => [state.follower, state]));
  const one = (kind: Delivery['kind'], to: string, follower: string): Delivery => {
    const { seq = 0, failingSince, error } = states.get(follower) ?? {};
    const behind = Math.max(0, head - seq);
    return { kind, to, seq, behind, ...(failingSince && { failingSince }), ...(error !== undefined && { error }) };
  };
  return [
    ...forward.map(({ address }) => one('forward', address, forwardFollower(address))),
    ...places.map(({ place }) => one('checkpoints', place.name, placeFollower(place.name))),
  ];
}
