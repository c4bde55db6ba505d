import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StewardError } from '../../core/errors.ts';
import type { AuditLog } from '../../core/audit.ts';
import type { Ping, PingTaker, Signal } from '../../core/heartbeat.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { fromTexts } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { perform } from '../perform.ts';
import { callOf } from './access.ts';
import { API } from './routes.ts';

const RATE = {
  // Who guesses addresses is slowed down; many jobs behind one address are not.
  rateLimit: { max: 600, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `ping:${request.ip}` },
};
const METHODS = ['GET', 'POST', 'HEAD'] as ['GET', 'POST', 'HEAD'];
const SIGNALS: ReadonlySet<string> = new Set(['start', 'success', 'fail', 'log'] satisfies Signal[]);

/**
 * Where jobs tell of themselves. The address is the credential: it says which job speaks and allows nothing else, and a
 * wrong one learns nothing. By name, with a token of Steward, the command that makes unknown ones answers.
 */
export function mountHeartbeats(
  app: FastifyInstance,
  deps: {
    readonly pings: PingTaker;
    readonly byName: AnyOperation;
    readonly audit: AuditLog;
    readonly now: () => Date;
  },
): void {
  void app.register(async (scope) => {
    // Jobs send what they like, as whatever they like.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

    const take = async (request: FastifyRequest, reply: FastifyReply): Promise<string> => {
      const { token = '', word } = request.params as { token?: string; word?: string };
      const ping = pingOf(word, request);
      const outcome = ping === undefined ? 'unknown' : await deps.pings.take(token, ping);
      if (outcome === 'unknown') throw new StewardError('NOT_FOUND', 'There is no such heartbeat.');
      if (outcome === 'too-many')
        throw new StewardError('RATE_LIMITED', 'A heartbeat is heard 60 times a minute at most.', {
          retryAfterMs: 60_000,
        });
      return await reply.type('text/plain; charset=utf-8').send('OK\n');
    };
    for (const url of [`${API}/heartbeats/:token`, `${API}/heartbeats/:token/:word`])
      scope.route({ method: METHODS, url, config: { open: true, ...RATE }, handler: take });

    const schema = jsonSchemaOf(deps.byName.input, 'input');
    scope.route({
      method: METHODS,
      url: `${API}/heartbeats/ping/:name`,
      async handler(request) {
        const { name } = request.params as { name: string };
        const body = typeof request.body === 'string' && request.body !== '' ? { body: request.body } : {};
        const query = Object.entries(request.query as Record<string, string | string[]>).map(
          ([member, value]) => [member, fromTexts([value].flat(), schema.properties?.[member] ?? {})] as const,
        );
        const input = { ...body, ...Object.fromEntries(query), name };
        return await perform(deps.byName, input, callOf(request, deps.now()), deps.audit);
      },
    });
  });
}

function pingOf(word: string | undefined, request: FastifyRequest): Ping | undefined {
  const body = typeof request.body === 'string' ? request.body : undefined;
  const from = request.ip;
  if (word === undefined) return { signal: 'success', body, from };
  if (SIGNALS.has(word)) return { signal: word as Signal, body, from };
  if (!/^\d{1,3}$/.test(word) || Number(word) > 255) return undefined;
  const exitCode = Number(word);
  return { signal: exitCode === 0 ? 'success' : 'fail', exitCode, body, from };
}
