import type { FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import type { StewardError } from '../../core/errors.ts';
import { isRecorded } from '../perform.ts';
import { SAFE } from './access.ts';

const WINDOW_MS = 15 * 60_000;
/** Of one actor within the window: whoever sends nonsense all day must not fill the record with it. */
const RECORDED = 100;

/** Writes down requests that would have changed something and did not even come as far as an operation. */
export function refusedRequests({ audit, now }: { readonly audit: AuditLog; readonly now: () => Date }) {
  const actors = new Map<string, { since: number; count: number }>();

  function mayRecord(actorId: string): boolean {
    const at = now().getTime();
    let known = actors.get(actorId);
    if (!known || at - known.since > WINDOW_MS) actors.set(actorId, (known = { since: at, count: 0 }));
    known.count += 1;
    return known.count <= RECORDED;
  }

  return async (request: FastifyRequest, thrown: unknown, asSent: StewardError): Promise<void> => {
    const { actor } = request;
    if (!actor || SAFE.has(request.method) || isRecorded(thrown) || asSent.status >= 500) return;
    if (!mayRecord(actor.id)) return;
    await audit.append({
      action: 'request.refused',
      actor,
      outcome: 'refused',
      from: request.ip,
      requestId: request.id,
      detail: {
        method: request.method,
        // Without the query, where people put what does not belong there.
        path: (request.url.split('?')[0] ?? '').slice(0, 200),
        code: asSent.code,
        message: asSent.message.slice(0, 300),
      },
    });
  };
}
