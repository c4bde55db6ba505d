import { describe, expect, it } from 'vitest';
import { statementsOf } from './statements.ts';

const lines = (sql: string, kind: Parameters<typeof statementsOf>[1]) =>
  statementsOf(sql, kind).map(({ sql: each, line }) => [line, each]);

describe('the statements of a file', () => {
  it('end where they end: not within quotes, comments, bodies', () => {
    const sql = `-- first; not a statement
create table a (t text default ';', "odd;name" int); /* ; /* nested; */ ; */
select E'it\\'s; here', $$ body; $$, $tag$ ; $$ ; $tag$;

create function f() returns int language sql begin atomic select case when 1 = 1 then 1 end; select 2; end;
select 1`;
    expect(lines(sql, 'postgres').map(([line]) => line)).toEqual([2, 3, 5, 6]);
    expect(statementsOf(sql, 'postgres')[0]?.shape).toBe(`create table a (t text default '', "odd;name" int)`);
  });

  it('may have another end in MariaDB, and bodies without one', () => {
    const sql = `create table a (t text default 'it\\'s;', u text default "x;"); # rest; of line
delimiter //
create procedure p() begin if 1 then select 1; end if; case 1 when 1 then select 2; end case; end//
delimiter ;
create trigger t before insert on a for each row begin set new.t = case when 1 then 'a' else 'b' end; set new.u = 1; end;
select 1 --2
;`;
    expect(lines(sql, 'mysql').map(([line]) => line)).toEqual([1, 3, 5, 6]);
    expect(statementsOf('/*!40101 set names utf8 */;', 'mysql')[0]?.shape).toBe('set names utf8');
  });

  it('end where the chosen delimiter stands, also right behind a word, and loops in bodies close themselves', () => {
    const sql = `delimiter $$
create procedure p() begin select 1; end$$
select 2$$
delimiter ;
create procedure q() begin for i in 1..2 do select i; end for; select 3; end;
select 4;`;
    expect(lines(sql, 'mysql')).toEqual([
      [2, 'create procedure p() begin select 1; end'],
      [3, 'select 2'],
      [5, 'create procedure q() begin for i in 1..2 do select i; end for; select 3; end'],
      [6, 'select 4'],
    ]);
  });

  // Were a character looked at once for each before it, this would take hours.
  it('may be long, and many', () => {
    const rows = Array.from({ length: 30_000 }, (_, at) => `(${at}, 'row ${at}', now(), a.b + c)`).join(',\n');
    const many = Array.from({ length: 5_000 }, (_, at) => `insert into t values (${at});`).join('\n');
    const found = lines(`insert into t values ${rows};\n${many}`, 'postgres');
    expect([found.length, found[0]?.[0], found[1]?.[0], found.at(-1)?.[0]]).toEqual([5_001, 1, 30_001, 35_000]);
  });

  it('are whole triggers in SQLite', () => {
    const sql = `create table [a;b] (x);
create trigger t after insert on [a;b] begin update [a;b] set x = case when 1 then 2 end; delete from [a;b]; end;
select 1;`;
    expect(lines(sql, 'sqlite').map(([line]) => line)).toEqual([1, 2, 3]);
  });

  it.each([
    ["select 1;\nselect 'open", 'postgres', /Line 2: the text that begins here never ends/],
    ['select 1;\n\\i other.sql', 'postgres', /Line 2: .*no SQL/],
    ['/* never', 'sqlite', /Line 1: the comment/],
    ['select $a$ never', 'postgres', /\$a\$/],
    ['source other.sql', 'mysql', /no SQL/],
    ['.read other.sql', 'sqlite', /no SQL/],
  ] as const)('are not guessed: %s', (sql, kind, message) => {
    expect(() => statementsOf(sql, kind)).toThrow(message);
  });
});
