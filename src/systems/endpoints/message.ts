import type { StewardEvent } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import { redact } from '../../core/redact.ts';
import type { EndpointRow } from './tables.ts';

/** The body of a delivery, in the form that the endpoint takes. */
export function messageOf({ body }: Pick<EndpointRow, 'body'>, event: StewardEvent): string {
  return JSON.stringify(body === 'standard' ? standard(event) : healthCheck(event));
}

/** What the endpoint is sent to see whether it takes anything at all. */
export function testMessage({ name, body }: Pick<EndpointRow, 'name' | 'body'>, at: Date): string {
  return JSON.stringify(
    body === 'standard'
      ? { type: 'endpoint.test', timestamp: at.toISOString(), data: { endpoint: name } }
      : { event: 'health_check_completed', status: 'test', timestamp: at.toISOString() },
  );
}

function standard({ id, type, at, data, subject, node }: StewardEvent): JsonObject {
  return {
    type,
    timestamp: at.toISOString(),
    data: redact(data),
    event: { id, ...(subject && { subject: { ...subject } }), ...(node !== undefined && { node }) },
  };
}

function healthCheck({ at, data }: StewardEvent): JsonObject {
  const { critical, failed, warnings } = data;
  const status =
    critical === true ? 'critical' : Number(failed ?? 0) + Number(warnings ?? 0) > 0 ? 'degraded' : 'healthy';
  return { event: 'health_check_completed', status, timestamp: at.toISOString() };
}
