import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EVENTS } from '../../../src/core/event.ts';
import { concernsOf } from './concerns.ts';

/** What changes nothing that a page shows beyond the overview. */
const QUIET = ['steward.', 'breaker.', 'loop.', 'security.', 'user.', 'content.', 'system.', 'database.'];

describe('what is asked anew after an event', () => {
  it.each(Object.keys(EVENTS))('%s', (type) => {
    const concerned = concernsOf(type);
    expect(concerned).toContain('/api/v1/overview');
    if (!QUIET.some((prefix) => type.startsWith(prefix))) expect(concerned.length).toBeGreaterThan(1);
  });

  it('is an address that the API has', () => {
    const { paths } = JSON.parse(readFileSync('openapi.json', 'utf8')) as { paths: Record<string, object> };
    const all = new Set(Object.keys(EVENTS).flatMap((type) => [...concernsOf(type)]));
    expect([...all].filter((path) => !('get' in (paths[path] ?? {})))).toEqual([]);
  });
});
