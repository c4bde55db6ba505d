import { expect, it } from 'vitest';
import { locksOf } from './original.ts';
import { BackupSource } from './source.ts';

it('is one lock for a server that two sources reach, and the same order for whoever asks', () => {
  const server = { kind: 'postgres', host: 'db.example', user: 'backup', password: { env: 'PASSWORD' } };
  const sources = [
    { ...server, name: 'shop' },
    { kind: 'sqlite', name: 'notes', path: '/srv/notes.db' },
    { ...server, name: 'crm' },
    { kind: 'sqlite', name: 'atlas', path: '/srv/atlas.db' },
  ].map((source) => BackupSource.parse(source));
  const [node, other] = [{ id: 'node_1' }, { id: 'node_2' }];
  const all = ['original:node_1:atlas', 'original:node_1:notes', 'original:postgres:db.example:5432'];
  expect(locksOf(sources, undefined, node)).toEqual(all);
  expect(locksOf(sources.toReversed(), undefined, node)).toEqual(all);
  expect(locksOf(sources, ['crm', 'gone'], other)).toEqual(all.slice(2));
});
