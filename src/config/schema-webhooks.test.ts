import { describe, expect, it } from 'vitest';
import { Webhooks } from './schema-webhooks.ts';

describe('types of webhooks', () => {
  const problemsOf = (types: object) =>
    Webhooks.safeParse({ types }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? [];

  it('have a secret each: two whose variable would be the same are refused', () => {
    expect(problemsOf({ 'a-b': {}, bank: {}, 'A.b': {} })).toEqual([
      'types.A.b: its secret would be WEBHOOK_SECRET_A_B, which is that of a-b already: name secrets at one of them',
    ]);
  });

  it('may be called alike where one of them says where its secrets are', () => {
    expect(problemsOf({ 'a-b': { secrets: [{ env: 'OTHER' }] }, a_b: {} })).toEqual([]);
    expect(problemsOf({ bank: {}, bank_old: {} })).toEqual([]);
  });
});
