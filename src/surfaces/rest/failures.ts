import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorBody, type ErrorCode, StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

/** Sends what was thrown in the one shape that errors have. A bug is told to the log; the client gets its number. */
export function sendFailure(thrown: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const error = asStewardError(thrown);
  const waitMs = error.retryAfterMs ?? (error.code === 'RATE_LIMITED' ? 60_000 : undefined);
  if (waitMs !== undefined && !reply.hasHeader('retry-after'))
    void reply.header('retry-after', String(Math.ceil(waitMs / 1_000)));
  if (error.code === 'UNAUTHENTICATED') void reply.header('www-authenticate', 'Bearer realm="steward"');
  if (error.code !== 'INTERNAL') return send(error.status, error.toBody(), request, reply);
  log.error('request failed by a bug', {
    requestId: request.id,
    method: request.method,
    path: request.url.split('?')[0],
    reason: error.message,
    stack: error.cause instanceof Error ? error.cause.stack : error.stack,
  });
  const message = 'Something inside Steward failed; this is a bug.';
  const hint = `The log of the server tells more about request ${request.id}.`;
  return send(error.status, { code: 'INTERNAL', message, hint }, request, reply);
}

const PROBLEM = 'application/problem+json';

/** In Steward's own shape, or in that of RFC 9457 for who names it. */
function send(status: number, body: ErrorBody, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  void reply.code(status).header('vary', [reply.getHeader('vary') ?? [], 'Accept'].flat().join(', '));
  if (!request.headers.accept?.includes(PROBLEM)) return reply.send({ error: body });
  const { message, ...others } = body;
  const words = body.code.toLowerCase().replaceAll('_', ' ');
  return reply.type(`${PROBLEM}; charset=utf-8`).send(
    JSON.stringify({
      type: `urn:steward:error:${words.replaceAll(' ', '-')}`,
      title: `${words.charAt(0).toUpperCase()}${words.slice(1)}`,
      status,
      detail: message,
      instance: `urn:uuid:${request.id}`,
      ...others,
    }),
  );
}

const OF_FASTIFY: Record<string, { code: ErrorCode; message: string; hint: string }> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'TOO_LARGE', message: 'The body is larger than 1 MiB.', hint: 'Send less.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'INPUT_INVALID',
    message: 'The body is not JSON.',
    hint: 'Send it with Content-Type: application/json.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'INPUT_INVALID',
    message: 'The body is not as long as its Content-Length says.',
    hint: 'Send the right Content-Length, or none.',
  },
  FST_ERR_BAD_URL: {
    code: 'INPUT_INVALID',
    message: 'The address is not valid.',
    hint: 'Encode it: every % stands before two hexadecimal digits.',
  },
};

/** What is sent of what was thrown. */
export function asStewardError(thrown: unknown): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { code, statusCode, message } = thrown as Partial<FastifyError>;
  const known = OF_FASTIFY[code ?? ''];
  if (known) return new StewardError(known.code, known.message, { hint: known.hint, cause: thrown });
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new StewardError('INPUT_INVALID', `The request cannot be read: ${message}`, {
      hint: 'Correct it and send it again.',
      cause: thrown,
    });
  }
  return StewardError.from(thrown);
}
