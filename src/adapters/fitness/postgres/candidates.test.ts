import { describe, expect, it } from 'vitest';
import { candidatesFor } from './candidates.ts';

const columns = ['id', 'what', 'day', 'Odd "name"', 'customer'];
const wanted = (...conditions: string[]): string[][] =>
  candidatesFor({ schema: 'public', table: 'orders', alias: 'o', conditions }, columns);

describe('columns that an index might have', () => {
  it('are those compared for equality, then one that is compared otherwise', () => {
    expect(wanted('((o.customer = $1) AND (o.day > $2))')).toEqual([['customer'], ['customer', 'day'], ['day']]);
  });

  it('are found with casts, on either side, in joins, and with names that are quoted', () => {
    expect(wanted('((o.what)::text = ANY ($1))')).toEqual([['what']]);
    expect(wanted('(c.id = o.customer)')).toEqual([['customer']]);
    expect(wanted('(o."Odd ""name""" = $1)')).toEqual([['Odd "name"']]);
    expect(wanted("((o.what)::text ~~ 'a%'::text)")).toEqual([['what']]);
  });

  it('are none of another table, of a longer name, or of what no index helps', () => {
    expect(wanted('(p.customer = $1)')).toEqual([]);
    expect(wanted('(o.customer_name = $1)')).toEqual([]);
    expect(wanted('(o.customer <> $1)')).toEqual([]);
    expect(wanted()).toEqual([]);
  });
});
