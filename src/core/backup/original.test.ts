import { expect, it } from 'vitest';
import { locksOf } from './original.ts';
import { BackupSource } from './source.ts';

const signal = new AbortController().signal;
const [here, there] = [
  { node: { id: 'node_1' }, signal },
  { node: { id: 'node_2' }, signal },
];

/** What is configured on a machine, and what the servers answer there, by the name of the source. */
function machine(sources: readonly object[], answers: Readonly<Record<string, string>> = {}) {
  const parsed = sources.map((source) => BackupSource.parse(source));
  return { sources: () => parsed, serverOf: async (name: string) => answers[name] };
}
const server = { kind: 'postgres', host: 'db.example', user: 'backup', password: { env: 'PASSWORD' } };

it('is one lock for a server that two sources reach, and the same order for whoever asks', async () => {
  const sources = [
    { ...server, name: 'shop' },
    { kind: 'sqlite', name: 'notes', path: '/srv/notes.db' },
    { ...server, name: 'crm' },
    { kind: 'sqlite', name: 'atlas', path: '/srv/atlas.db' },
  ];
  const all = ['original:node_1:atlas', 'original:node_1:notes', 'original:postgres:db.example:5432'];
  expect(await locksOf(machine(sources), undefined, here)).toEqual(all);
  expect(await locksOf(machine(sources.toReversed()), undefined, here)).toEqual(all);
  expect(await locksOf(machine(sources), ['crm', 'gone'], there)).toEqual(all.slice(2));
});

it('is one lock for a server that says to both machines that it is the same, whatever they call it', async () => {
  const near = machine([{ ...server, name: 'crm', host: '127.0.0.1' }], { crm: '7421' });
  const far = machine([{ ...server, name: 'customers' }], { customers: '7421' });
  expect(await locksOf(near, undefined, here)).toEqual(['original:node_1:crm', 'original:postgres server 7421']);
  expect(await locksOf(far, undefined, there)).toEqual([
    'original:postgres server 7421',
    'original:postgres:db.example:5432',
  ]);
});
