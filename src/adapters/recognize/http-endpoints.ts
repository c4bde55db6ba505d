import type { Sighting } from '../../core/recognizer.ts';
import { type HttpAnswer, type HttpLook, request } from './http.ts';
import { lookMcp } from './mcp.ts';

interface Endpoint {
  readonly product: string;
  readonly path: string;
  /** Asked only where the front page or the process gives reason to. */
  readonly when: RegExp;
  /** The version, or an empty text where the answer is right and carries none. */
  readonly accept: (answer: HttpAnswer) => string | undefined;
}

const json = (answer: HttpAnswer): Record<string, unknown> | undefined => {
  const from = answer.body.indexOf('{');
  const to = answer.body.lastIndexOf('}');
  try {
    const value: unknown = JSON.parse(answer.body.slice(from, to + 1));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};
const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 40) : '';
const buildInfo = (name: string) => (answer: HttpAnswer) => {
  const line = new RegExp(`^${name}_build_info\\{([^}]*)\\}`, 'm').exec(answer.body)?.[1];
  return line === undefined ? undefined : (/(?:^|,)version="([^"]{0,40})"/.exec(line)?.[1] ?? '');
};
const member =
  (required: string, version: string) =>
  (answer: HttpAnswer): string | undefined => {
    const body = json(answer);
    return answer.status === 200 && body && required in body ? text(body[version]) : undefined;
  };

/** Addresses that only one product answers in this way. */
const ENDPOINTS: readonly Endpoint[] = [
  {
    product: 'prometheus',
    path: '/api/v1/status/buildinfo',
    when: /prometheus|location: ?\/(graph|query)|header\.location \/(graph|query)/i,
    accept: (answer) => {
      const data = json(answer)?.data as Record<string, unknown> | undefined;
      return data && 'goVersion' in data && 'revision' in data ? text(data.version) : undefined;
    },
  },
  {
    product: 'prometheus-node-exporter',
    path: '/metrics',
    when: /node.?exporter/i,
    accept: buildInfo('node_exporter'),
  },
  { product: 'prometheus-alertmanager', path: '/metrics', when: /alertmanager/i, accept: buildInfo('alertmanager') },
  {
    product: 'prometheus-blackbox-exporter',
    path: '/metrics',
    when: /blackbox.?exporter/i,
    accept: buildInfo('blackbox_exporter'),
  },
  { product: 'grafana', path: '/api/health', when: /grafana/i, accept: member('commit', 'version') },
  {
    product: 'nats',
    path: '/varz',
    when: /nats/i,
    accept: (answer) => (json(answer)?.server_id === undefined ? undefined : text(json(answer)?.version)),
  },
  {
    product: 'docker-registry',
    path: '/v2/',
    when: /registry|^http 200$|status 200 /i,
    accept: (answer) => (/registry\/2/.test(answer.headers['docker-distribution-api-version'] ?? '') ? '' : undefined),
  },
  { product: 'ollama', path: '/api/version', when: /ollama/i, accept: member('version', 'version') },
  { product: 'etcd', path: '/version', when: /etcd/i, accept: member('etcdserver', 'etcdserver') },
  {
    product: 'consul',
    path: '/v1/status/leader',
    when: /consul/i,
    accept: (answer) => (/^"[\d.:]*"/.test(answer.body.trim()) ? '' : undefined),
  },
  {
    product: 'vault',
    path: '/v1/sys/health?standbyok=true',
    when: /vault|openbao/i,
    accept: member('initialized', 'version'),
  },
  { product: 'gitea', path: '/api/v1/version', when: /gitea|forgejo/i, accept: member('version', 'version') },
  {
    product: 'minio',
    path: '/minio/health/live',
    when: /minio/i,
    accept: (answer) => (answer.status === 200 && /minio/i.test(answer.headers.server ?? '') ? '' : undefined),
  },
  {
    product: 'steward',
    path: '/api/v1/health',
    when: /steward/i,
    accept: (answer) => (answer.status === 200 && /alive/.test(answer.body) ? '' : undefined),
  },
];

export async function askEndpoints(
  target: HttpLook,
  front: Sighting,
  hints: readonly string[],
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Sighting[]> {
  const said = [...hints, ...Object.entries(front.fields).map(([name, value]) => `${name} ${value}`)].join('\n');
  const found: Sighting[] = [];
  for (const endpoint of ENDPOINTS.filter(({ when }) => when.test(said)).slice(0, 4)) {
    const answer = await request(target, endpoint.path, options);
    const version = answer && endpoint.accept(answer);
    if (version === undefined) continue;
    found.push({
      source: 'http',
      protocol: 'http',
      product: endpoint.product,
      version: version.replace(/^v(?=\d)/, '') || undefined,
      tls: target.tls,
      detail: `${endpoint.path} answers as ${endpoint.product}${version ? ` ${version}` : ''}`,
      fields: {},
    });
  }
  // What already has a name is not asked whether it is something else as well.
  const expected = hints.includes('mcp-server');
  if (expected || (hints.length === 0 && found.length === 0)) {
    const tools = await lookMcp(target, options, expected);
    if (tools) found.push(tools);
  }
  return found;
}
