import { describe, expect, it } from 'vitest';
import { routeTo } from '../../testing/gateway.ts';
import { type ConfiguredAuth, withSecrets } from './routes.ts';

const TOKENS: ConfiguredAuth = {
  is: 'jwt',
  issuer: 'https://login.example.org',
  audience: 'api',
  algorithms: ['HS256'],
  secrets: [{ env: 'TOKENS' }],
  toleranceSeconds: 5,
  userClaim: 'sub',
  planClaim: 'plan',
};

describe('routes with secrets', () => {
  const routes = [
    { ...routeTo('a'), auth: [TOKENS] },
    { ...routeTo('b'), auth: [TOKENS] },
  ];

  it('share what they share', async () => {
    const secret = 'of thirty-two bytes at the least';
    const [a, b] = await withSecrets(routes, () => Promise.resolve(secret));
    expect(a?.auth).toEqual([{ ...TOKENS, secrets: [secret] }]);
    expect(a?.auth[0]).toBe(b?.auth[0]);
  });

  it('are none where a secret could be guessed from a token, and the reason names the place of it alone', async () => {
    const refused = withSecrets(routes, () => Promise.resolve('s3cret'));
    await expect(refused).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'The secret for HS256 in {"env":"TOKENS"} is too short.',
    });
    await expect(refused).rejects.not.toThrow(/s3cret/);
  });
});
