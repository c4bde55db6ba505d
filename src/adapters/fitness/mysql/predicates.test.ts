import { expect, it } from 'vitest';
import { columnsFor, comparedIn, readsOf } from './predicates.ts';

const told = (statement: string): string[] =>
  readsOf(statement).map((reads) => `${reads.table}: ${columnsFor(reads).join(', ')}`);

it('begins with what is compared for equality, then goes on with a range or with the order', () => {
  expect(told('select * from orders where at > ? and customer = ? order by id limit ?')).toEqual([
    'orders: customer, at',
  ]);
  expect(told('SELECT * FROM `orders` WHERE `customer` = ? ORDER BY `at` DESC LIMIT ?')).toEqual([
    'orders: customer, at',
  ]);
  expect(told('select note from shop.orders o where o.customer in (...) and o.kind = ?')).toEqual([
    'orders: customer, kind',
  ]);
});

it('knows tables by their aliases, on both sides of a join', () => {
  expect(
    told(
      'SELECT `o` . `id` FROM `orders` `o` JOIN `lines` AS `l` ON `l` . `order_id` = `o` . `id` WHERE `o` . `customer` = ?',
    ),
  ).toEqual(['lines: order_id', 'orders: id, customer']);
});

it('advises nothing for what it cannot read', () => {
  expect(told('update orders set a = ? where b = ?')).toEqual([]);
  expect(told('select * from orders where lower(note) = ?')).toEqual([]);
  expect(told('select a from t where b = ? union select a from u where c = ?')).toEqual([]);
  expect(told('select * from a, b where c = ?')).toEqual([]);
});

it('knows the column that each value is compared with', () => {
  expect(comparedIn('select * from t where a = ? and b between ? and ? and c in (?) limit ?')).toEqual([
    'a',
    'b',
    'b',
    'c',
    undefined,
  ]);
  expect(comparedIn('SELECT `sleep` (?) FROM `t` WHERE `t` . `a` LIKE ?')).toEqual([undefined, 'a']);
});
