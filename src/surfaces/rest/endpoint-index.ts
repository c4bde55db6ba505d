import type { Permission } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { API, type Route } from './routes.ts';

/** An address that Steward was promised to answer at. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'ANY';
  /** With parameters in braces. */
  readonly path: string;
  readonly summary: string;
  /** Where nothing serves it yet: who may ask, what will serve it, and what does meanwhile. Gone once something does. */
  readonly later?: {
    readonly permission: Permission;
    readonly by: string;
    readonly meanwhile: string;
  };
}

const under = `${API}/automation`;

/**
 * Every address that scripts and other systems were promised. What the catalog serves is served; the others answer
 * NOT_IMPLEMENTED and say what to use meanwhile, so that nobody takes a missing part for a wrong address.
 */
export const ENDPOINTS: readonly Endpoint[] = [
  { method: 'GET', path: `${under}/status`, summary: 'How Steward and what it watches are.' },
  { method: 'GET', path: `${under}/workflows`, summary: 'The chains of automations.' },
  { method: 'POST', path: `${under}/workflows/{id}/execute`, summary: 'Starts a chain.' },
  { method: 'GET', path: `${under}/workflows/{id}/executions`, summary: 'What became of a chain, time after time.' },
  {
    method: 'GET',
    path: `${under}/scaling/metrics`,
    summary: 'What the decisions about scaling rest on.',
    later: { permission: 'read', by: 'scaling', meanwhile: `GET ${API}/service-health shows latencies and states.` },
  },
  {
    method: 'GET',
    path: `${under}/scaling/history`,
    summary: 'What was scaled, when and why.',
    later: { permission: 'read', by: 'scaling', meanwhile: `GET ${API}/runs shows every change that was made.` },
  },
  { method: 'GET', path: `${under}/health`, summary: 'How each service is.' },
  {
    method: 'GET',
    path: `${under}/intelligence/insights`,
    summary: 'What stands out in what was observed.',
    later: { permission: 'read', by: 'intelligence', meanwhile: `GET ${API}/incidents shows what went wrong and why.` },
  },
  {
    method: 'GET',
    path: `${under}/intelligence/suggestions`,
    summary: 'What Steward would do about it.',
    later: {
      permission: 'read',
      by: 'intelligence',
      meanwhile: `GET ${API}/runs?status=waiting-approval shows what is proposed by the automations.`,
    },
  },
  {
    method: 'POST',
    path: `${under}/intelligence/suggestions/{id}/apply`,
    summary: 'Starts what was suggested.',
    later: {
      permission: 'operate',
      by: 'intelligence',
      meanwhile: `POST ${API}/runs/{id}/approve lets a proposed plan happen.`,
    },
  },
  { method: 'GET', path: `${under}/discovery/services`, summary: 'The services that were found.' },
  { method: 'GET', path: `${under}/discovery/history`, summary: 'What the scans found, time after time.' },
  { method: 'POST', path: `${under}/discovery/scan`, summary: 'Looks at once.' },
  { method: 'GET', path: `${under}/registry/nodes`, summary: 'The machines that run Steward.' },
  { method: 'GET', path: `${under}/registry/topology`, summary: 'What depends on what.' },
  { method: 'POST', path: `${under}/registry/nodes/{id}/heartbeat`, summary: 'A node says that it lives.' },
  { method: 'GET', path: `${under}/audit/logs`, summary: 'The record.' },
  { method: 'GET', path: `${under}/audit/security-events`, summary: 'What was refused and what looked wrong.' },
  { method: 'GET', path: `${under}/audit/statistics`, summary: 'The record in numbers.' },
  { method: 'GET', path: `${under}/audit/trail/{type}/{id}`, summary: 'Everything about one thing.' },
  {
    method: 'POST',
    path: `${under}/{component}/start`,
    summary: 'Lets a component, as in health-check, run by itself again.',
  },
  {
    method: 'POST',
    path: `${under}/{component}/stop`,
    summary: 'Keeps a component, as in health-check, from running by itself, and ends what runs of it.',
  },
  {
    method: 'GET',
    path: `${under}/reports/health`,
    summary: 'The daily health report.',
  },
  {
    method: 'GET',
    path: `${under}/reports/performance`,
    summary: 'The performance reports.',
  },
  {
    method: 'GET',
    path: `${under}/reports/security`,
    summary: 'The security report.',
    later: {
      permission: 'audit',
      by: 'the security scanner',
      meanwhile: `GET ${under}/audit/security-events shows what was refused.`,
    },
  },
  {
    method: 'POST',
    path: '/{type}',
    summary: 'Takes a webhook of that type.',
    later: { permission: 'operate', by: 'webhooks', meanwhile: `POST ${API}/events reports what happened elsewhere.` },
  },
  {
    method: 'POST',
    path: '/internal/queue/add',
    summary: 'Takes a webhook that was received elsewhere.',
  },
  {
    method: 'POST',
    path: '/internal/metrics/healthcheck',
    summary: 'Takes what a health check elsewhere measured, by the token of a place.',
  },
  {
    method: 'POST',
    path: '/auth/validate',
    summary: 'Tells a gateway whether a credential is good.',
    later: { permission: 'read', by: 'the gateway', meanwhile: `GET ${API}/me answers for the credential it is sent.` },
  },
  {
    method: 'ANY',
    path: '/gateway/{path}',
    summary: 'Whatever is proxied.',
    later: { permission: 'read', by: 'the gateway', meanwhile: 'Ask the service itself.' },
  },
];

export type LaterEndpoint = Endpoint & Required<Pick<Endpoint, 'later'>>;

/** Those that none of the routes serves. */
export function laterEndpoints(routes: readonly Route[]): LaterEndpoint[] {
  const served = new Set(routes.map(({ method, path }) => shape(method, path)));
  return ENDPOINTS.filter(
    (endpoint): endpoint is LaterEndpoint =>
      endpoint.later !== undefined && !served.has(shape(endpoint.method, endpoint.path)),
  );
}

/** What a promised address that nothing serves yet says. */
export function notBuilt({ method, path, later }: LaterEndpoint): StewardError {
  return new StewardError(
    'NOT_IMPLEMENTED',
    `${method} ${path} comes with ${later.by}, which this Steward does not have.`,
    {
      hint: `Meanwhile: ${later.meanwhile}`,
    },
  );
}

function shape(method: string, path: string): string {
  return `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;
}
