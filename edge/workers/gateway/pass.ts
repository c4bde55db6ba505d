import { inPairs, toClient, toUpstream } from '../../handlers/gateway/headers.ts';
import type { Forward } from '../../handlers/gateway/verdict.ts';
import { readBody } from '../body.ts';
import type { Answer, AnswerInit } from '../platform.ts';

/** One request to its upstream, and its answer back. */
export async function pass(request: Request, verdict: Forward, origin: string): Promise<Response> {
  const body = await bodyOf(request, verdict.maxBodyBytes);
  if (body === 'too-large') return failed(verdict, 413, 'The body is longer than this route takes.');
  const waiting = new AbortController();
  const timer = setTimeout(() => waiting.abort(), verdict.timeoutMs);
  try {
    const answer: Answer = await fetch(new URL(verdict.target, origin), {
      method: request.method,
      headers: [...inPairs(toUpstream([...request.headers].flat(), verdict.request)), ...upgradeOf(request)],
      body,
      redirect: 'manual',
      // Cloudflare's cache is shared, and knows nothing of who is allowed to see what.
      cache: 'no-store',
      signal: waiting.signal,
    });
    return onward(answer, verdict);
  } catch (thrown) {
    if (waiting.signal.aborted) return failed(verdict, 504, 'The service did not answer in time.');
    console.error(`upstream of ${verdict.route}: ${String(thrown)}`);
    return failed(verdict, 502, 'The service did not answer as it should.');
  } finally {
    // Until the answer begins; what streams may take its time.
    clearTimeout(timer);
  }
}

/**
 * A body that says how long it is goes through as it comes, and is of that length or broken. One that does not is read before it is
 * sent: where such a stream breaks off, the runtime ends the request as if that had been all.
 */
async function bodyOf(
  request: Request,
  most: number,
): Promise<ReadableStream | Uint8Array<ArrayBuffer> | null | 'too-large'> {
  const length = request.headers.get('content-length');
  if (request.body === null) return null;
  if (length === null) return await readBody(request, most);
  return Number(length) > most ? 'too-large' : request.body.pipeThrough(new FixedLengthStream(Number(length)));
}

/** Nothing else is upgraded: what comes after it would be judged by nobody. The runtime shakes hands itself, on both sides. */
function upgradeOf({ method, headers }: Request): [name: string, value: string][] {
  const asked = method === 'GET' && headers.get('upgrade')?.toLowerCase() === 'websocket';
  return asked ? [['upgrade', 'websocket']] : [];
}

function onward({ status, headers, body, webSocket }: Answer, verdict: Forward): Response {
  const { set, drop, add } = verdict.response;
  const change = { set: { ...set, 'x-request-id': verdict.trace.id }, drop, ...(add && { add }) };
  const answer = new Headers();
  // As Headers hands it out, a cookie each.
  for (const [name, value] of inPairs(toClient([...headers].flat(), change))) answer.append(name, value);
  const upgraded: AnswerInit = { status, headers: answer, ...(webSocket && { webSocket }) };
  return new Response(body, upgraded);
}

export function failed({ trace, response }: Forward, status: number, error: string): Response {
  const headers = { ...response.set, 'x-request-id': trace.id, 'cache-control': 'no-store' };
  return Response.json({ error, id: trace.id }, { status, headers });
}
