import type { Sighting } from '../../core/recognizer.ts';
import { type HttpAnswer, type HttpLook, request } from './http.ts';

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

/** The ports on which assistants' tool servers are looked for; only a server that already answered HTTP there is asked. */
const MCP_PORTS = new Set([3000, 3001, 8000, 8080, 5000]);
const MCP_INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'steward-discovery', version: '1' } },
});

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
  const expected = hints.includes('mcp-server');
  if ((expected || MCP_PORTS.has(target.port)) && (expected || (await mayBeMcp(target, options)))) {
    const tools = await askMcp(target, options);
    if (tools) found.push(tools);
  }
  return found;
}

/** Looked at with a GET first: its refusal is of a certain kind, and an ordinary site is never posted to. */
async function mayBeMcp(target: HttpLook, options: { timeoutMs: number; signal: AbortSignal }): Promise<boolean> {
  const answer = await request(target, '/mcp', { ...options, accept: 'text/event-stream' });
  return (
    answer !== undefined &&
    ([400, 405, 406].includes(answer.status) ||
      /jsonrpc/.test(answer.body) ||
      /event-stream/.test(answer.headers['content-type'] ?? ''))
  );
}

async function askMcp(
  target: HttpLook,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Sighting | undefined> {
  const answer = await request(target, '/mcp', {
    ...options,
    method: 'POST',
    body: MCP_INITIALIZE,
    accept: 'application/json, text/event-stream',
  });
  if (!answer || answer.status !== 200) return undefined;
  const result = json(answer)?.result as
    | { serverInfo?: { name?: unknown; version?: unknown }; protocolVersion?: unknown }
    | undefined;
  if (!result?.protocolVersion || !result.serverInfo) return undefined;
  const name = text(result.serverInfo.name);
  return {
    source: 'handshake',
    protocol: 'mcp',
    product: 'mcp-server',
    version: text(result.serverInfo.version) || undefined,
    tls: target.tls,
    detail: `/mcp initializes as ${name}, protocol ${text(result.protocolVersion)}`,
    fields: { name },
  };
}
