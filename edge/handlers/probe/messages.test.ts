import { describe, expect, it } from 'vitest';
import { PlaceReport } from '../../../src/core/place-messages.ts';
import { codeOf } from './messages.ts';

describe('the code of a result', () => {
  it.each([
    ['ECONNREFUSED', 'ECONNREFUSED'],
    ['ERR_SSL_TLSV1_ALERT', 'ERR_SSL_TLSV1_ALERT'],
    ['tls: bad certificate', undefined],
    ['x'.repeat(61), undefined],
    ['', undefined],
    [7, undefined],
    [undefined, undefined],
  ])('is what Steward takes, or none: %s', (given, code) => {
    const result = {
      id: '1',
      check: 'shop',
      at: '2026-06-01T12:00:00Z',
      state: 'down',
      latencyMs: 1,
      message: 'failed',
      ...codeOf({ code: given }),
    };
    const report = {
      have: 1,
      sentAt: '2026-06-01T12:00:00Z',
      everyMs: 300_000,
      software: 'test',
      kinds: ['http'],
      backlog: 0,
      dropped: 0,
      results: [result],
    };
    expect(PlaceReport.parse(report).results[0]?.code).toBe(code);
  });
});
