import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact, REDACTED, redactText } from './redact.ts';

describe('redaction', () => {
  it.each([
    'postgresql://app:hunter2secret@127.0.0.1/app',
    'Authorization: Bearer hunter2secret',
    '--password=hunter2secret',
    'redis-server --requirepass hunter2secret',
    'PGPASSWORD=hunter2secret psql',
    '{"api_key":"hunter2secret"}',
    "password: 'hunter2secret'",
    'token=hunter2secret&x=1',
    'stw_abc123_hunter2secret',
    '-----BEGIN PRIVATE KEY-----\nhunter2secret\n-----END PRIVATE KEY-----',
  ])('takes the secret out of %s', (text) => {
    expect(redactText(text)).not.toContain('hunter2secret');
  });

  it('leaves ordinary text alone', () => {
    const text = 'nginx answers on 127.0.0.1:80 in 3 ms, 12 tokens left, key size 2048';

    expect(redactText(text)).toBe(text);
  });

  it('takes members named like a secret, at any depth, and keeps references', () => {
    const value = { user: 'app', password: 'x1', nested: [{ apiKey: 'x2' }], secret: { env: 'NAME' } };

    expect(redact(value)).toEqual({ user: 'app', password: REDACTED, nested: [{ apiKey: REDACTED }], secret: { env: 'NAME' } });
  });

  it('takes the argument behind a flag', () => {
    expect(redact(['mysqld', '--password', 'x1', '--port', '3307'])).toEqual(['mysqld', '--password', REDACTED, '--port', '3307']);
  });

  it('changes nothing the second time', () => {
    fc.assert(fc.property(fc.json(), (text) => {
      const once = redactText(text);
      expect(redactText(once)).toBe(once);
    }));
  });
});
