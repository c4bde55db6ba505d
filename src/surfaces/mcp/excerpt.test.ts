import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../core/json.ts';
import { excerptOf } from './excerpt.ts';

const page = (count: number): JsonObject => ({
  items: Array.from({ length: count }, (_, index) => ({ id: `svc_${index}`, name: `service ${index}`, port: index })),
  next: 'cursor',
});

describe('an answer for a model', () => {
  it('is whole where it fits', () => {
    expect(excerptOf(page(3), {}, 1_000)).toEqual({ value: page(3), leftOut: [] });
  });

  it('keeps its size, says where it was cut, and goes on there', () => {
    const whole = page(400);
    const first = excerptOf(whole, {}, 2_000);
    expect(JSON.stringify(first.value).length).toBeLessThanOrEqual(2_000);
    expect(first.leftOut).toEqual([{ path: '/items', shown: 25, of: 400, unit: 'items', more: '/items@25' }]);

    const seen = [...(first.value['items'] as JsonObject[])];
    let more = first.leftOut[0]?.more;
    while (more !== undefined) {
      const { value, leftOut } = excerptOf(whole, { more }, 2_000);
      seen.push(...(value['continued'] as { value: JsonObject[] }).value);
      more = leftOut[0]?.more;
    }
    expect(seen).toEqual(whole['items']);
  });

  it('cuts the one long text and leaves what stands around it', () => {
    const whole = { run: { id: 'run_1', 'a/b': { log: 'x'.repeat(9_000) } }, checks: [{ name: 'answers', ok: true }] };
    const { value, leftOut } = excerptOf(whole, {}, 3_000);
    expect(value['checks']).toEqual(whole.checks);
    expect(leftOut).toEqual([
      { path: '/run/a~1b/log', shown: 2_250, of: 9_000, unit: 'characters', more: '/run/a~1b/log@2250' },
    ]);
    expect(excerptOf(whole, { more: '/run/a~1b/log@8990' }, 3_000).value).toEqual({
      continued: { path: '/run/a~1b/log', from: 8_990, value: 'x'.repeat(10) },
    });
  });

  it('finds the place again of what is cut within a continuation', () => {
    const whole = { items: [{ text: 'a' }, { text: 'b' }, { text: 'c'.repeat(5_000) }] };
    const { leftOut } = excerptOf(whole, { more: '/items@1' }, 1_000);
    expect(leftOut).toEqual(
      [{ path: '/items/1/text', shown: 625, of: 5_000, unit: 'characters', more: '/items/1/text@625' }].map((each) => ({
        ...each,
        path: '/items/2/text',
        more: '/items/2/text@625',
      })),
    );
    expect(excerptOf(whole, { more: '/items/2/text@4990' }, 1_000).value).toMatchObject({
      continued: { value: 'c'.repeat(10) },
    });
  });

  it('lets the later members of a wide object go', () => {
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`member${index}`, 'short']));
    const { value, leftOut } = excerptOf(wide, {}, 1_000);
    expect(JSON.stringify(value).length).toBeLessThanOrEqual(1_000);
    expect(leftOut[0]).toMatchObject({ unit: 'members', of: 500, more: `fields: member${leftOut[0]?.shown}` });
  });

  it('holds the fields that were asked for, of each item of a page', () => {
    expect(excerptOf(page(2), { fields: ['id'] }).value).toEqual({
      items: [{ id: 'svc_0' }, { id: 'svc_1' }],
      next: 'cursor',
    });
    expect(excerptOf({ a: { b: 1, c: 2 }, d: [{ e: 1, f: 2 }], g: 3 }, { fields: ['a.b', 'd.e'] }).value).toEqual({
      a: { b: 1 },
      d: [{ e: 1 }],
    });
  });

  it('refuses a place that is none, whatever it is called', () => {
    for (const more of ['items@1', '/nothing@1', '/constructor@0', '/items@x', '/__proto__/x@1'])
      expect(() => excerptOf(page(2), { more })).toThrow('more:');
  });
});
