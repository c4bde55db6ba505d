import { describe, expect, it } from 'vitest';
import { whyNotHeld } from './condition.ts';
import { matchesGlob } from './glob.ts';
import { filled, filledInput, referencesIn, valueAt } from './reference.ts';

const scope = {
  context: { name: 'eve', list: [1, { deep: true }], nothing: null },
  steps: { a: { output: { path: '/x' } } },
};

describe('references', () => {
  it('are looked up in members and lists, with defaults, and never in what is inherited', () => {
    expect(valueAt(scope, 'context.list.1.deep')).toBe(true);
    expect(valueAt(scope, 'context.constructor')).toBeUndefined();
    expect(valueAt(scope, 'context.name.length')).toBeUndefined();
    expect(
      filled(
        { a: { from: 'steps.a.output.path' }, b: [{ from: 'context.gone', default: 7 }], c: { from: 'x', to: 'y' } },
        scope,
      ),
    ).toEqual({ a: '/x', b: [7], c: { from: 'x', to: 'y' } });
    expect(filled({ text: '{context.name} has {context.list}' }, scope)).toBe('eve has [1,{"deep":true}]');
    expect(filled({ text: 'no places' }, scope)).toEqual({ text: 'no places' });
    expect(filled({ literal: { from: 'context.name' } }, scope)).toEqual({ from: 'context.name' });
  });

  it('say what is not there', () => {
    for (const data of [{ from: 'steps.b.output' }, { text: 'x {steps.b.output}' }])
      expect(() => filled(data, scope)).toThrow(
        expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining('steps.b.output') }),
      );
  });

  it('are never the whole input of a step, whatever its members are called', () => {
    expect(filledInput({ from: 'here' }, scope)).toEqual({ from: 'here' });
    expect(filledInput({ from: { from: 'context.name' } }, scope)).toEqual({ from: 'eve' });
  });

  it('are found where they stand', () => {
    expect(referencesIn({ a: [{ from: 'context.x' }], b: { text: '{context.y} {error.message}' } })).toEqual([
      { at: ['a', 0], path: 'context.x' },
      { at: ['b'], path: 'context.y' },
      { at: ['b'], path: 'error.message' },
    ]);
  });
});

describe('conditions', () => {
  it.each([
    [{ equals: 'eve' }, undefined],
    [{ equals: { from: 'context.name' } }, undefined],
    [{ equals: 'adam' }, 'context.name is "eve", expected "adam"'],
    [{ not: 'eve' }, 'context.name is "eve", expected anything but "eve"'],
    [{ in: ['adam', 'eve'] }, undefined],
    [{ like: 'e*e' }, undefined],
    [{ like: 'a*' }, 'context.name is "eve", expected a text like a*'],
    [{ above: 3 }, 'context.name is "eve", expected more than 3'],
    [{ exists: false }, 'context.name is "eve", expected nothing'],
  ])('%j', (comparison, why) => {
    expect(whyNotHeld([{ from: 'context.name', ...comparison }], scope)).toBe(why);
  });

  it('hold for what is not there only where they say so', () => {
    expect(whyNotHeld([{ from: 'context.gone', not: 'x' }], scope)).toBeUndefined();
    expect(whyNotHeld([{ from: 'context.nothing', exists: false }], scope)).toBeUndefined();
    expect(whyNotHeld([{ from: 'context.gone', below: 3 }], scope)).toBe(
      'context.gone is nothing, expected less than 3',
    );
  });
});

describe('a pattern', () => {
  it.each([
    ['service.*', 'service.down', true],
    ['*', '', true],
    ['*.finished', 'run.finished', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b', 'abc', false],
    ['service.?', 'service.x', false],
  ])('%s and %s', (pattern, text, expected) => expect(matchesGlob(pattern, text)).toBe(expected));

  it('takes no longer for hostile text', () => {
    expect(matchesGlob(`${'*a'.repeat(100)}b`, 'a'.repeat(5_000))).toBe(false);
  });
});
