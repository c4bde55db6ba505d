import { describe, expect, it } from 'vitest';
import { reachOf } from './reach.ts';

describe('reach', () => {
  it('never calls a copy missing because the configuration names its repository or its source no more', () => {
    const { store, sourceOf } = reachOf({
      sources: () => [],
      repositories: () => [],
      storeOf: () => expect.unreachable(),
      readers: [],
    });
    const place = { source: 'shop', repository: 'renamed', location: 'shop/cp_1' };
    expect(() => store('renamed')).toThrow(expect.objectContaining({ code: 'PRECONDITION_FAILED' }));
    expect(() => sourceOf(place)).toThrow(expect.objectContaining({ code: 'PRECONDITION_FAILED' }));
  });
});
