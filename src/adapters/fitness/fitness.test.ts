import { describe, expect, it } from 'vitest';
import { BackupSource } from '../../core/backup/source.ts';
import type { DatabaseEngine } from '../../core/database/engine.ts';
import { DatabaseLook } from '../../core/database/look.ts';
import type { FitnessTask } from '../../core/database/task.ts';
import { StewardError } from '../../core/errors.ts';
import { createFitness } from './index.ts';

const doing = { signal: new AbortController().signal };
const place = { source: 'crm', repository: 'local', location: 'crm/1' };

function world() {
  let looks = 0;
  const performed: string[] = [];
  const engine: DatabaseEngine = {
    kind: 'postgres',
    async look({ source }) {
      looks += 1;
      const at = new Date().toISOString();
      const rest = { databases: [], tables: [], indexes: [], slow: [], blind: [] };
      return DatabaseLook.parse({ source: source.name, kind: 'postgres', version: '15', at, ...rest });
    },
    async perform({ source, sandbox }, { kind, database }) {
      if (kind === 'reindex') throw new StewardError('PROGRAM_FAILED', 'it did not go');
      performed.push(`${kind} ${database} at ${source.name}${sandbox === true ? ', thrown away' : ''}`);
      return { durationMs: 1, locks: [] };
    },
    advise: async (_at, slow) =>
      slow.map(({ database, statement }) => ({
        database,
        statement,
        table: 'public.t',
        columns: ['a'],
        sql: '',
        tested: 'sandbox',
        costBefore: 9,
        costAfter: 1,
      })),
  };
  const sources = [
    BackupSource.parse({ kind: 'postgres', name: 'crm' }),
    BackupSource.parse({ kind: 'files', name: 'etc', paths: ['/etc'] }),
  ];
  const fitness = createFitness({
    sources: () => sources,
    engines: [engine],
    rehearse: async (_loan, use) =>
      await use({
        own: false,
        source: BackupSource.parse({ kind: 'postgres', name: 'stand-in' }),
        called: (database) => (database === 'shop' ? 'steward_restore_1' : undefined),
      }),
    now: () => new Date(),
    measured: new Map(),
    rehearsed: new Map(),
  });
  return { fitness, performed, looks: () => looks };
}
const task = (kind: FitnessTask['kind'], database = 'shop'): FitnessTask => ({ kind, database, reason: 'a test' });

describe('databases by the names of their sources', () => {
  it('measures once for a run, anew for another, and anew once something was done', async () => {
    const { fitness, looks } = world();
    const look = (run: string) => fitness.look('crm', { slowMs: 1, measure: true, run }, doing);
    await look('run_1');
    await look('run_1');
    expect(looks()).toBe(1);
    await look('run_2');
    await fitness.look('crm', { slowMs: 1 }, doing);
    expect(looks()).toBe(3);
    await fitness.perform('crm', task('vacuum'), doing);
    await look('run_2');
    expect(looks()).toBe(4);
  });

  it('rehearses under the names of the copy, tells by those of the original, and skips what the copy has not', async () => {
    const { fitness, performed } = world();
    const slow = [{ database: 'shop', statement: 's', calls: 1, meanMs: 1, totalMs: 1 }];
    const tasks = [task('vacuum'), task('reindex'), task('vacuum', 'new')];
    const { tasks: tried, advice } = await fitness.rehearse(place, 'run_1', { tasks, slow }, doing);
    expect(performed).toEqual(['vacuum steward_restore_1 at stand-in, thrown away']);
    expect(tried.map(({ database, done, error }) => [database, done !== undefined, error])).toEqual([
      ['shop', true, undefined],
      ['shop', false, 'it did not go'],
      ['new', false, undefined],
    ]);
    expect(advice.map(({ database }) => database)).toEqual(['shop']);
  });

  it('tells a run that asks again what was tried for it, and tries anew what was not', async () => {
    const { fitness, performed } = world();
    const tried = async (run: string, ...tasks: FitnessTask[]) =>
      (await fitness.rehearse(place, run, { tasks, slow: [] }, doing)).tasks.length;
    expect(await tried('run_1', task('vacuum'), task('analyze'))).toBe(2);
    expect(await tried('run_1', task('vacuum'))).toBe(2);
    expect(performed).toHaveLength(2);
    expect(await tried('run_1', task('checkpoint'))).toBe(1);
    expect(await tried('run_2', task('vacuum'))).toBe(1);
    expect(performed).toHaveLength(4);
  });

  it('says which names there are none of', async () => {
    const { fitness } = world();
    await expect(fitness.look('nobody', { slowMs: 1 }, doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(fitness.look('etc', { slowMs: 1 }, doing)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });
});
