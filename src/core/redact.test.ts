import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { redact, redactArgv, REDACTED, redactText } from './redact.ts';

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
    'stp_hunter2secret-_0123456789abcdefghijklmnopqrs',
    'steward node join https://a.example stwj_00ab_hunter2secret',
    'db: password=hunter2secret',
    'config.password = hunter2secret',
    '--password hunter2secret --port 1',
    'mongodb://app:p@hunter2secret@10.0.0.1/app',
    '{"password":"a\\"hunter2secret"}',
    'token="hunter2secret was cut off he',
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

    expect(redact(value)).toEqual({
      user: 'app',
      password: REDACTED,
      nested: [{ apiKey: REDACTED }],
      secret: { env: 'NAME' },
    });
  });

  it('knows a secret by its name in any spelling, and in lists', () => {
    const value = {
      dbPassword: 'x1',
      AccessToken: 'x2',
      backup_tokens: ['x3', { env: 'NAME' }],
      planHash: 'abc',
      tokenizer: 'bpe',
    };

    expect(redact(value)).toEqual({
      dbPassword: REDACTED,
      AccessToken: REDACTED,
      backup_tokens: [REDACTED, { env: 'NAME' }],
      planHash: 'abc',
      tokenizer: 'bpe',
    });
  });

  it.each([
    'a.',
    'eyJ-',
    '-',
    '-password',
    'password',
    'a-',
    'a://b:',
    '://',
    'token="',
    "token='\\",
    ' --token',
    'Bearer ',
    '-----BEGIN ',
    '-----END PRIVATE KEY',
    '-----BEGIN A PRIVATE KEY-----',
    ' password ',
    'secret\n',
    'api_key:',
    'stw_',
    'ghp_',
    'Basic',
    '@',
    '": ',
  ])('takes a time that grows with the length of hostile text and no faster: %j again and again', (unit) => {
    const time = (length: number): number => {
      const text = unit.repeat(length / unit.length);
      const began = performance.now();
      redactText(text);
      return performance.now() - began;
    };
    time(20_000);

    // What grew with the square would take seconds here, with the cube hours.
    expect(time(400_000)).toBeLessThan(2_000);
  });

  it('takes the argument behind a flag', () => {
    expect(redact(['mysqld', '--password', 'x1', '--port', '3307'])).toEqual([
      'mysqld',
      '--password',
      REDACTED,
      '--port',
      '3307',
    ]);
  });

  it.each(['--password', '-token', '--db-password', '--api-key', '--authToken', '--requirepass'])(
    'takes the argument behind %s, and what is known to be secret wherever it stands',
    (flag) => {
      expect(redactArgv(['app', flag, 'x1', '--port', '1', 'in:swordfish'], ['swordfish', '1'])).toEqual([
        'app',
        flag,
        REDACTED,
        '--port',
        '1',
        `in:${REDACTED}`,
      ]);
    },
  );

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        const once = redactText(text);
        expect(redactText(once)).toBe(once);
      }),
    );
  });
});
