import { describe, expect, it } from 'vitest';
import { ResticError, troubleOf } from './trouble.ts';

const place = '\nIs there a repository at the following location?\ns3:http://127.0.0.1:1/bucket/x';

describe('what restic 0.14 says, recorded', () => {
  it.each([
    ['wrong-key', 'Fatal: wrong password or no key found'],
    [
      'locked',
      'unable to create lock in backend: repository is already locked by PID 6570 on vm by root (UID 0, GID 0)\nlock was created at 2026-11-29 20:30:38 (5.2s ago)',
    ],
    [
      'unreachable',
      `Fatal: unable to open config file: Stat: Get "http://127.0.0.1:1/bucket/?location=": dial tcp 127.0.0.1:1: connect: connection refused${place}`,
    ],
    ['no-repository', `Fatal: unable to open config file: Stat: The specified key does not exist.${place}`],
    ['no-repository', `Fatal: unable to open config file: Stat: The specified bucket does not exist.${place}`],
    ['no-repository', 'Fatal: unable to open config file: stat /tmp/rr/r/config: no such file or directory'],
    [
      'credentials',
      `Fatal: unable to open config file: Stat: The access key ID you provided does not exist in our records.${place}`,
    ],
    [
      'credentials',
      `Fatal: unable to open config file: Stat: The request signature we calculated does not match the signature you provided.${place}`,
    ],
    ['not-found', 'latest snapshot for criteria not found: no snapshot found Paths:[] Hosts:[]'],
    ['not-found', 'Ignoring "12345678": no matching ID found for prefix "12345678"'],
    ['busy', 'Load(<data/3f2a>, 0, 0) returned error, retrying after 1s: Please reduce your request rate.'],
    [
      'busy',
      'Load(<data/3f2a>, 0, 0) returned error, retrying after 1s: Get "https://s3": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    ],
    ['busy', 'Save(<data/3f2a>) returned error, retrying after 1s: write tcp 10.0.0.1:443: write: broken pipe'],
    [
      'busy',
      'Load(<data/3f2a>, 0, 0) returned error, retrying after 1s: http2: server sent GOAWAY and closed the connection',
    ],
    ['busy', 'Fatal: unable to open config file: Stat: 503 Service Unavailable'],
    ['damaged', 'Load(<data/6bc4709a16>, 503, 504) returned error, retrying after 552.330144ms: EOF'],
    ['damaged', 'decrypting blob 60aef30f failed: ciphertext verification failed'],
    ['damaged', 'Load(<data/6bc4709a16>, 1424023, 576109) returned error, retrying after 552.330144ms: EOF'],
    [
      'damaged',
      'Load(<data/e0a2282a0c>, 210, 0) returned error, retrying after 1.08s: open /tmp/r/data/e0/e0a2: no such file or directory',
    ],
    [
      'lock-vanished',
      'Load(<lock/2787047496>, 0, 0) returned error, retrying after 552.330144ms: The specified key does not exist.',
    ],
    [
      'lock-vanished',
      'Load(<lock/2787047496>, 0, 0) returned error, retrying after 1.08s: open /r/locks/2787: no such file or directory',
    ],
    ['failed', 'something that nobody has heard before'],
  ] as const)('is %s: %s', (trouble, said) => {
    expect(troubleOf(said, 1)).toBe(trouble);
  });

  it('is told by the exit code where newer versions have one', () => {
    expect([10, 11, 12].map((code) => troubleOf('', code))).toEqual(['no-repository', 'locked', 'wrong-key']);
  });

  it('is in the message with its reason, and without the noise around it', () => {
    const { message, code } = new ResticError(
      'no-repository',
      'far',
      `Fatal: unable to open config file: gone${place}`,
    );
    expect(code).toBe('UNAVAILABLE');
    expect(message).toContain('unable to open config file: gone');
    expect(message).not.toContain('Is there a repository');
  });
});
