import { expect, it } from 'vitest';
import { createFigures, figuresOf } from './figures.ts';

it('counts each route apart, whatever it is called, and what no route took', () => {
  const figures = createFigures();
  for (const route of ['constructor', 'toString', undefined, 'constructor']) figuresOf(figures, route).requests += 1;
  const requests = [...figures.routes].map(([route, counted]) => [route, counted.requests]);
  expect(requests).toEqual([
    ['constructor', 2],
    ['toString', 1],
    [undefined, 1],
  ]);
});
