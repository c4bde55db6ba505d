import { describe, expect, it } from 'vitest';
import { migrationsOf } from './files.ts';
import { namedIn, saysNotValid, unwanted, warningsOf } from './lint.ts';
import { obstaclesOf, standingOf } from './standing.ts';
import type { SqlKind } from './statements.ts';

const folder = (files: Record<string, string>, kind: SqlKind = 'postgres') =>
  migrationsOf(
    Object.entries(files).map(([name, content]) => ({ name, content })),
    kind,
  );
const one = (sql: string, kind: SqlKind = 'postgres') => folder({ '1_x.sql': sql }, kind)[0]?.up;

describe('the files of a folder', () => {
  it('are known by what common tools call them, and come in the order of their numbers', () => {
    const found = folder({
      '10_ten.sql': 'select 10',
      '0002_two.up.sql': 'select 2',
      '0002_two.down.sql': 'select -2',
      'V1__one.sql': 'select 1',
      'U1__one.sql': 'select -1',
      'V1_1__one_and_a_bit.sql': 'select 1.1',
      '3.sql': 'select 3',
      '20240101120000_by_time.sql': '-- migrate:up\nselect 4;\n-- migrate:down\nselect -4;',
      '00005_goose.sql': '-- +goose Up\nselect 5;\n-- +goose Down\nselect -5;',
      'README.md': 'not SQL',
    });
    expect(found.map(({ version, name, down }) => [version, name, down?.statements[0]?.shape])).toEqual([
      ['1', 'one', 'select -1'],
      ['1.1', 'one and a bit', undefined],
      ['0002', 'two', 'select -2'],
      ['3', '3.sql', undefined],
      ['00005', 'goose', 'select -5'],
      ['10', 'ten', undefined],
      ['20240101120000', 'by time', 'select -4'],
    ]);
    expect(found.at(-1)?.down?.statements[0]?.line).toBe(4);
  });

  it.each([
    [{ 'note.sql': 'select 1' }, /note.sql has no number/],
    [{ '1_a.sql': 'select 1', '01_b.sql': 'select 1' }, /1_a.sql has the version 1, and so has 01_b.sql/],
    [{ '1_a.down.sql': 'select 1' }, /takes back what no file does/],
    [{ 'R__view.sql': 'select 1' }, /applied again whenever it changes/],
    [{ '1_a.sql': '-- nothing' }, /holds no statement/],
    [{ '1_a.sql': "select 'open" }, /1_a.sql Line 1/],
    [{ '1_a.sql': 'select 1; commit; select 2' }, /begins or ends a transaction/],
    [{ '1_a.sql': 'copy t from stdin; ' }, /cannot be sent/],
    [{ '1_a.sql': 'select 1;\n-- migrate:down\nselect -1' }, /has a line -- migrate:down, and none says what goes up/],
    [{ '1_a.sql': '-- migrate:up\nselect 1;\n-- migrate:up\nselect 2' }, /more than one mark/],
    [{ '1_a.up.sql': 'select 1', '1_a.down.sql': '-- migrate:up\nselect 1' }, /its name says that it goes down/],
  ])('are refused by name: %j', (files, message) => {
    expect(() => folder(files as unknown as Record<string, string>)).toThrow(message);
  });

  it.each([
    'begin isolation level serializable',
    'begin transaction read only',
    'start transaction',
    'commit and chain',
    'commit prepared $$x$$',
    'rollback',
    'rollback transaction',
    'rollback work and no chain',
    'end work',
    'end and chain',
    'abort work',
    "prepare transaction 'x'",
    'set autocommit = 0',
    'set @@session.autocommit=1',
    "xa end 'x'",
  ])('may not end the transaction that they are in: %s', (sql) => {
    expect(() => folder({ '1_a.sql': `select 1;\n${sql};\nselect 2` })).toThrow(
      /line 2: .* begins or ends a transaction/,
    );
    expect(() => folder({ '1_a.sql': `select 1;\n${sql};\nselect 2` }, 'mysql')).toThrow(/begins or ends/);
  });

  it('may go back to a place within it, and have bodies that begin and end', () => {
    expect(one('savepoint a; select 1; rollback to savepoint a; rollback work to a; release savepoint a')?.whole).toBe(
      true,
    );
    expect(one('delimiter //\nbegin not atomic select 1; end//', 'mysql')?.whole).toBe(false);
    expect(one('create function f() returns int language sql begin atomic select 1; end')?.whole).toBe(true);
  });

  it('of SQLite reach no other file', () => {
    for (const sql of ["attach 'b.db' as b", "vacuum main into 'b.db'"])
      expect(() => folder({ '1_a.sql': sql }, 'sqlite')).toThrow(/1_a.sql line 1: .* reaches another file/);
    expect(one('vacuum', 'sqlite')?.whole).toBe(false);
  });

  it('lose the transaction that others wrote around them', () => {
    expect(one('begin;\nselect 1;\ncommit;')?.statements.map(({ shape }) => shape)).toEqual(['select 1']);
  });

  it('say whether the engine rolls them back', () => {
    expect(one('create table a (x int); create index i on a (x)')?.whole).toBe(true);
    expect(one('create index concurrently i on a (x)')?.whyNot).toContain('cannot run in a transaction');
    expect(one('-- migrate:up transaction:false\nselect 1')?.whole).toBe(false);
    expect(one('insert into a values (1); update a set x = 2', 'mysql')?.whole).toBe(true);
    expect(one('insert into a values (1);\nalter table a add y int', 'mysql')?.whyNot).toContain(
      'line 2 (alter table a) commits by itself',
    );
    expect(one('alter table a add column y', 'sqlite')?.whole).toBe(true);
    expect(one('set statement max_statement_time = 1 for drop table a', 'mysql')?.whole).toBe(false);
  });
});

const rules = (sql: string, kind: SqlKind = 'postgres'): string[] => {
  const script = one(sql, kind);
  return script ? warningsOf(script, kind).map(({ rule }) => rule) : [];
};

describe('what is dangerous about a statement', () => {
  it.each([
    ['drop table a', 'postgres', ['drop']],
    ['alter table a drop column b', 'postgres', ['drop-column']],
    ['alter table a drop constraint b', 'postgres', []],
    ['alter table a alter column b drop not null', 'postgres', []],
    ['delete from a', 'postgres', ['all-rows']],
    ['delete from a where b', 'postgres', []],
    ['alter table a add column b int not null', 'postgres', ['not-null-without-default']],
    ['alter table a add column b int not null default 1', 'postgres', []],
    ['create index i on a (b)', 'postgres', ['index-blocks-writes']],
    ['create index concurrently i on a (b)', 'postgres', []],
    ['create table a (b int); create index i on a (b)', 'postgres', []],
    ['alter table a alter column b type bigint', 'postgres', ['rewrite']],
    ['alter table a add column b uuid default gen_random_uuid()', 'postgres', ['rewrite']],
    ['alter table a alter b set not null', 'postgres', ['set-not-null']],
    ['alter table a add constraint c foreign key (b) references d', 'postgres', ['constraint-scans']],
    ['alter table a add constraint c foreign key (b) references d not valid', 'postgres', []],
    ['alter table a add unique (b)', 'postgres', ['constraint-builds-index']],
    ['alter table a rename to b', 'postgres', ['rename']],
    ['alter table a modify b bigint', 'mysql', ['rewrite']],
    ['set foreign_key_checks = 0', 'mysql', ['keys-unchecked']],
    ["insert into a values ('drop table b')", 'mysql', []],
    ['alter table a add column b text not null', 'sqlite', ['not-null-without-default']],
  ] as const)('%s', (sql, kind, expected) => {
    expect(rules(sql, kind)).toEqual(expected);
  });

  it('is not that a constraint waits to be validated, where the SQL says so', () => {
    const problems = ['constraint c of a was never validated', 'index i is invalid'];
    const says = (sql: string): boolean => saysNotValid(one(sql) ?? { statements: [] });
    expect(unwanted(problems, { notValid: says('alter table a add constraint c check (x > 0) not valid') })).toEqual([
      'index i is invalid',
    ]);
    expect(unwanted(problems, { notValid: says("insert into a values ('not valid')") })).toEqual(problems);
  });

  it('names the tables that the SQL names', () => {
    expect([
      ...namedIn(folder({ '1_x.sql': 'delete from "Orders" o using public.lines' }), [
        'public.orders',
        'public.lines',
        'public.others',
      ]),
    ]).toEqual(['public.orders', 'public.lines']);
  });
});

describe('how files and record stand', () => {
  const row = (version: string, more: object = {}) => ({
    version,
    name: version,
    checksum: 'a',
    state: 'applied' as const,
    appliedAt: 'then',
    durationMs: 1,
    run: 'run_1',
    done: 1,
    total: 2,
    error: null,
    ...more,
  });
  const file = (version: string, checksum = 'a') => ({ version, name: version, file: `${version}_x.sql`, checksum });

  it('tells applied, changed, missing, late, half-done and pending apart', () => {
    const standing = standingOf(
      [file('1'), file('2', 'b'), file('4'), file('6'), file('7')],
      [row('1'), row('2'), row('3'), row('6', { state: 'failed', error: 'line 2 failed' }), row('5')],
    );
    const [reverting] = standingOf([file('1')], [row('1', { state: 'reverting' })]);
    expect(reverting?.state).toBe('running');
    expect(obstaclesOf(reverting ? [reverting] : [], { outOfOrder: false })[0]?.message).toContain(
      '1 of 2 statements that take it back ran',
    );
    expect(standing.map(({ version, state }) => [version, state])).toEqual([
      ['1', 'applied'],
      ['2', 'changed'],
      ['3', 'missing'],
      ['4', 'out-of-order'],
      ['5', 'missing'],
      ['6', 'failed'],
      ['7', 'pending'],
    ]);
    expect(obstaclesOf(standing, { outOfOrder: false }).map(({ message }) => message)).toEqual([
      '2_x.sql was changed after it was applied on then',
      '3 (3) was applied on then, and its file is missing',
      '4_x.sql comes before one that is applied already',
      '5 (5) was applied on then, and its file is missing',
      '6_x.sql stayed half-done: line 2 failed',
    ]);
    expect(obstaclesOf(standing, { outOfOrder: true })).toHaveLength(4);
  });
});
