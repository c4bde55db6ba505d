import { describe, expect, it } from 'vitest';
import { branchOf, problemsOf } from './problems.ts';
import { emptyOf, NotJson, type Schema, wordsOfName } from './schema.ts';

const secret: Schema = {
  anyOf: ['env', 'file'].map((name) => ({
    type: 'object',
    properties: { [name]: { type: 'string', minLength: 1 } },
    required: [name],
  })),
};
const schema: Schema = {
  type: 'object',
  properties: {
    service: { type: 'string', minLength: 1 },
    seconds: { type: 'integer', minimum: 0, maximum: 600, default: 10 },
    mode: { type: 'string', enum: ['new', 'all'] },
    roots: { type: 'array', minItems: 1, items: { type: 'string', pattern: String.raw`^\/.*` } },
    headers: { type: 'object', additionalProperties: { anyOf: [{ type: 'string' }, secret] } },
    body: {},
  },
  required: ['service'],
};
const paths = (value: unknown): string[] => problemsOf(schema, value).map(({ path }) => path);

describe('what a form finds wrong by itself', () => {
  it.each([
    ['a needed member that is not there', {}, ['service']],
    ['an empty text where something is expected', { service: '' }, ['service']],
    ['a number with a fraction where a whole one is expected', { service: 'a', seconds: 1.5 }, ['seconds']],
    ['a number out of its bounds', { service: 'a', seconds: 601 }, ['seconds']],
    ['what was typed and is no number', { service: 'a', seconds: 'ten' }, ['seconds']],
    ['a choice that there is not', { service: 'a', mode: 'none' }, ['mode']],
    ['too few of a list', { service: 'a', roots: [] }, ['roots']],
    ['one of a list, by its place', { service: 'a', roots: ['/a', 'b'] }, ['roots.1']],
    ['a reference to a secret without its name', { service: 'a', headers: { key: { env: '' } } }, ['headers.key.env']],
    ['what was typed and is no JSON', { service: 'a', body: new NotJson('{') }, ['body']],
  ])('tells %s', (_what, value, expected) => {
    expect(paths(value)).toEqual(expected);
  });

  it('finds nothing wrong with what the server would take', () => {
    expect(
      paths({ service: 'a', seconds: 0, mode: 'all', roots: ['/a'], headers: { key: { file: '/k' } }, body: [1] }),
    ).toEqual([]);
  });

  it('leaves a pattern to the server that this browser cannot read', () => {
    expect(problemsOf({ type: 'string', pattern: '(?<' }, 'x')).toEqual([]);
  });

  it('knows which of several possibilities a value is', () => {
    const header: Schema = { anyOf: [{ type: 'string' }, secret] };
    expect([branchOf(header, 'x'), branchOf(header, { env: 'X' }), branchOf(header, { file: '/x' })]).toEqual([
      0, 1, 2,
    ]);
  });
});

describe('a form that begins', () => {
  it('holds only what has to be there', () => {
    expect(emptyOf(schema)).toEqual({});
    expect(emptyOf({ type: 'object', properties: { kind: { const: 'x' } }, required: ['kind'] })).toEqual({
      kind: 'x',
    });
  });

  it.each([
    ['graceSeconds', 'Grace seconds'],
    ['max_age', 'Max age'],
  ])('calls %s %s', (name, words) => {
    expect(wordsOfName(name)).toBe(words);
  });
});
