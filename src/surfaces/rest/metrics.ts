import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import { exposition, familiesOf, type Format } from '../../core/exposition.ts';
import type { Reading } from '../../core/metric.ts';
import { assertMay } from '../perform.ts';
import { callOf } from './access.ts';

/** Where Prometheus looks by itself. */
export const METRICS_PATH = '/metrics';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  text: 'text/plain; version=0.0.4; charset=utf-8',
};

/** What this node measures, for Prometheus and whatever reads its format. Whoever may read may scrape, with a token. */
export function mountMetrics(
  app: FastifyInstance,
  deps: {
    readonly current: () => Promise<Reading[]>;
    readonly node: string;
    /** Whether it answers without a token. */
    readonly open: boolean;
    readonly audit: AuditLog;
    readonly now: () => Date;
  },
): void {
  const { current, node, open, audit, now } = deps;
  app.get(METRICS_PATH, { config: { open } }, async (request: FastifyRequest, reply: FastifyReply) => {
    if (!open) await assertMay(callOf(request, now()), 'read', { kind: 'operation', id: 'metrics' }, audit);
    const format = request.headers.accept?.includes('application/openmetrics-text') ? 'openmetrics' : 'text';
    void reply.header('cache-control', 'no-store').type(CONTENT_TYPES[format]);
    return exposition(familiesOf(await current(), node), format);
  });
}
