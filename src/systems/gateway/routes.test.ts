import { describe, expect, it } from 'vitest';
import { routeTo } from '../../testing/gateway.ts';
import { StewardError } from '../../core/errors.ts';
import { SecretTaken } from '../../core/secrets.ts';
import { type ConfiguredAuth, createRouteSecrets } from './routes.ts';

const TOKENS = {
  is: 'jwt',
  issuer: 'https://login.example.org',
  audience: 'api',
  algorithms: ['HS256'],
  secrets: [{ env: 'NEW' }, { env: 'OLD' }],
  toleranceSeconds: 5,
  userClaim: 'sub',
  planClaim: 'plan',
} satisfies ConfiguredAuth;
const SECRET = 'of thirty-two bytes at the least';

describe('the secrets of routes', () => {
  const routes = [
    { ...routeTo('a'), auth: [TOKENS] },
    { ...routeTo('b'), auth: [TOKENS] },
  ];

  it('are shared where the way is, so that what was found out about callers is', async () => {
    const { routes: ready, problems } = await createRouteSecrets(() => Promise.resolve(SECRET)).read(routes);
    expect(ready[0]?.auth).toEqual([{ ...TOKENS, secrets: [SECRET, SECRET] }]);
    expect(ready[0]?.auth[0]).toBe(ready[1]?.auth[0]);
    expect(problems).toEqual([]);
  });

  it('are none where one could be guessed from a token, and the reason names the place of it alone', async () => {
    const { routes: ready, problems } = await createRouteSecrets(() => Promise.resolve('s3cret')).read(routes);
    expect(ready[0]?.auth).toEqual([{ ...TOKENS, secrets: [], incomplete: true }]);
    expect(problems.map(({ message }) => message)).toEqual([
      'The secret for HS256 in {"env":"NEW"} is too short. What it would have to verify is 503.',
      'The secret for HS256 in {"env":"OLD"} is too short. What it would have to verify is 503.',
    ]);
    expect(JSON.stringify(problems)).not.toContain('s3cret');
  });

  it('stay what they were where one cannot be read any more, and are what it is when it can', async () => {
    let now: string | undefined = SECRET;
    const secrets = createRouteSecrets(async () => {
      if (now === undefined) throw new Error('it is gone.');
      return now;
    });
    await secrets.read(routes);
    now = undefined;
    const without = await secrets.read(routes);
    expect(without.routes[0]?.auth).toEqual([{ ...TOKENS, secrets: [SECRET, SECRET] }]);
    expect(without.problems[0]).toMatchObject({
      severity: 'warning',
      message: expect.stringContaining('holds') as string,
    });
    now = 'the next one has thirty-two bytes too';
    expect((await secrets.read(routes)).routes[0]?.auth).toMatchObject([{ secrets: [now, now] }]);
    // One that nothing names is not kept.
    await secrets.read([]);
    now = undefined;
    expect((await secrets.read(routes)).routes[0]?.auth).toMatchObject([{ secrets: [], incomplete: true }]);
  });

  it('end when one was taken away for a minute, and hold for a day where nobody can say that', async () => {
    let at = 0;
    let thrown: Error | undefined;
    const secrets = createRouteSecrets(
      async () => {
        if (thrown) throw thrown;
        return SECRET;
      },
      () => at,
    );
    const read = async () => {
      const { routes: ready, problems } = await secrets.read(routes);
      return { auth: ready[0]?.auth[0], problem: problems[0] };
    };
    await read();
    thrown = new StewardError('NOT_FOUND', 'It was taken away.', { cause: new SecretTaken() });
    await read();
    at = 59_999;
    expect((await read()).auth).toMatchObject({ secrets: [SECRET, SECRET] });
    at = 60_000;
    const ended = await read();
    expect(ended.auth).toMatchObject({ secrets: [] });
    expect(ended.auth).not.toHaveProperty('incomplete');
    expect(ended.problem).toMatchObject({ severity: 'warning', message: expect.stringContaining('verifies nothing') });
    thrown = undefined;
    await read();
    thrown = new Error('it is not mounted.');
    await read();
    at += 24 * 3_600_000 - 1;
    expect((await read()).auth).toMatchObject({ secrets: [SECRET, SECRET] });
    at += 1;
    expect((await read()).auth).toMatchObject({ secrets: [], incomplete: true });
  });

  it('are asked for once while a disk hangs', async () => {
    let asked = 0;
    const secrets = createRouteSecrets(() => {
      asked += 1;
      return new Promise<never>(() => undefined);
    });
    for (let at = 0; at < 2; at += 1)
      expect((await secrets.read(routes)).problems[0]?.message).toContain('no answer within');
    expect(asked).toBe(2);
  });
});
