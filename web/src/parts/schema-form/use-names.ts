import { type Answer, type AskPath } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';

/** Something that exists, and what tells it from others. */
export interface Offer {
  readonly name: string;
  readonly about?: string;
}

interface Place<P extends AskPath> {
  readonly path: P;
  readonly offers: (answer: Answer<P>) => readonly Offer[];
}

const place = <P extends AskPath>(path: P, offers: Place<P>['offers']): Place<AskPath> =>
  ({ path, offers }) as unknown as Place<AskPath>;

export const isDatabase = ({ product }: { readonly product: string }): boolean =>
  /postgres|maria|mysql|redis|valkey/.test(product);

/** Where it is asked what there is, by what `x-names` says that a member is the name of. */
const PLACES: Readonly<Record<string, Place<AskPath>>> = {
  service: place('/api/v1/services', services),
  database: place('/api/v1/services', (all) => services(all.filter(isDatabase))),
  node: place('/api/v1/registry-nodes', ({ items }) => items.map(({ name, state }) => ({ name, about: state }))),
  source: place('/api/v1/backups', ({ items }) => items.map(({ source, kind }) => ({ name: source, about: kind }))),
  'source-kind': place('/api/v1/backups', ({ items }) => items.map(({ kind }) => ({ name: kind }))),
  repository: place('/api/v1/backups', ({ items }) => items.map(({ repository }) => ({ name: repository }))),
  copy: place('/api/v1/backup-history', ({ items }) =>
    items
      .filter(({ status }) => status === 'complete')
      .map(({ id, source, startedAt }) => ({ name: id, about: `${source}, ${new Date(startedAt).toLocaleString()}` })),
  ),
  migrations: place('/api/v1/migrations', ({ items }) => items.map(({ set }) => ({ name: set }))),
  workflow: place('/api/v1/workflows', ({ items }) => items.map(({ name, title }) => ({ name, about: title }))),
  automation: place('/api/v1/automations', ({ items }) => items.map(({ name, title }) => ({ name, about: title }))),
};

/** Two that are called alike are told apart by their ids. */
function services(all: Answer<'/api/v1/services'>): readonly Offer[] {
  const isTwice = (name: string): boolean => all.filter((each) => each.name === name).length > 1;
  return all.map(({ id, name, product, endpoint = '', node }) =>
    isTwice(name)
      ? { name: id, about: `${name}, ${product} ${endpoint} on ${node}` }
      : { name, about: `${product} ${endpoint}` },
  );
}

/** What exists of a kind; nothing where the kind is not known, or nobody may see it. */
export function useNames(named: string | undefined): readonly Offer[] {
  const known = named === undefined ? undefined : PLACES[named];
  const answer = useAnswer(known?.path ?? '/api/v1/services', {}, { when: known !== undefined });
  if (!known || answer.data === undefined) return [];
  const offers = known.offers(answer.data);
  return [...new Map(offers.map((offer) => [offer.name, offer])).values()];
}
