import type { Answer } from '../../api/client.ts';

export type Request = Answer<'/api/v1/gateway-refused'>['items'][number];

interface Auth {
  readonly by: string;
  readonly of: string;
  readonly outcome: string;
  readonly why: string;
}
interface Limit {
  readonly rule: string;
  readonly key: string;
  readonly limit: number;
  readonly used: number;
  readonly resetAt: number;
  readonly allowed: boolean;
  readonly shadow: boolean;
}

export const authOf = ({ auth }: Request): readonly Auth[] => (Array.isArray(auth) ? (auth as Auth[]) : []);
export const limitsOf = ({ limits }: Request): readonly Limit[] => (Array.isArray(limits) ? (limits as Limit[]) : []);

export function textOf(
  request: Request,
  member: 'user' | 'route' | 'plan' | 'target' | 'why' | 'ended',
): string | undefined {
  const value = request[member];
  return typeof value === 'string' ? value : undefined;
}

const RULES: Readonly<Record<string, string>> = {
  target: 'Its path can be read in more than one way.',
  host: 'No route has this host.',
  route: 'No route takes this path.',
  method: 'The route does not take this method.',
  'no-credentials': 'It says in no way who asks.',
  credentials: 'Who asks could not be verified.',
  scopes: 'Who asks may not do this.',
  'auth-unavailable': 'Whoever knows who asks did not answer.',
  failures: 'Too many wrong credentials came from this address.',
  anonymous: 'Too many requests came from this address.',
  plan: 'Who asks has used up what the plan gives.',
  malformed: 'It could not be read.',
  error: 'The gateway failed at it.',
  forward: 'It was let through.',
  preflight: 'It was let through.',
};

/** Why it came to that: in a sentence, then what was found. */
export function reasonsOf(request: Request): readonly string[] {
  const limit = limitsOf(request).find(({ allowed, shadow }) => !allowed && !shadow);
  return [
    RULES[request.rule] ?? `${request.rule}.`,
    ...[textOf(request, 'why')].filter((why) => why !== undefined),
    ...authOf(request)
      .filter(({ outcome }) => outcome === 'bad' || outcome === 'unfit' || outcome === 'unavailable')
      .map(({ by, why }) => `${by}: ${why}.`),
    ...(limit ? [`${limit.used} of ${limit.limit} used.`] : []),
  ];
}
