import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { REDACTED } from '../../core/redact.ts';
import { BODY_LIMIT, type HttpClient, type HttpOutcome, requestTo } from './http-exchange.ts';
import { unanswered } from './http-probe.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type ModelsTarget = TargetOf<'models'>;
type Answer = { readonly status: number; readonly body: Record<string, unknown>; readonly text: string };

/** No model has to think for long about it. */
const QUESTION = 'Say ok.';
const SHOWN = 12;

/** Which models the server has, and whether those that matter answer. One after the other: they may share one memory. */
export function createModelsProbe(client: HttpClient) {
  return async (target: ModelsTarget, token: string | undefined, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const left = (): ProbeOptions => ({
      ...options,
      timeoutMs: Math.max(1, options.timeoutMs - (performance.now() - startedAt)),
    });
    const base = target.url.replace(/\/+$/, '');
    const call = (path: string, body?: object): Promise<HttpOutcome> =>
      client.ask(
        requestTo(new URL(base + path), {
          method: body ? 'POST' : 'GET',
          headers: {
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
            ...(body && { 'content-type': 'application/json' }),
          },
          ...(body && { body: JSON.stringify(body) }),
        }),
        { insecure: target.insecure, keep: BODY_LIMIT },
        left(),
      );
    const shown = (text: string): string =>
      peerText(token === undefined ? text : text.replaceAll(token, REDACTED), 160);

    const listed = await call(target.api === 'ollama' ? '/api/tags' : '/v1/models');
    if (!('body' in listed)) return unanswered(listed, startedAt, options);
    const list = read(listed);
    const models = namesIn(target.api, list?.body);
    if (!list || list.status !== 200 || !models)
      return saw(
        'down',
        'query',
        `no list of models: HTTP ${listed.status} ${shown(list?.text ?? '')}`.trim(),
        startedAt,
        { status: listed.status },
      );

    const listMs = Math.round(performance.now() - startedAt);
    const detail = { models: peerText(models.slice(0, SHOWN).join(', ')), count: models.length, listMs };
    const missing = target.models.filter((name) => !models.some((known) => same(name, known)));
    if (missing.length > 0)
      return saw(
        'down',
        'query',
        `missing: ${missing.join(', ')}; it has ${detail.models || 'none'}`,
        startedAt,
        detail,
      );

    const asked = target.answers === 'none' ? [] : target.answers === 'all' ? models : target.models;
    let slowestMs = 0;
    for (const model of asked) {
      const askedAt = performance.now();
      const silent = await question(target.api, model, call);
      if (silent === undefined) {
        slowestMs = Math.max(slowestMs, Math.round(performance.now() - askedAt));
        continue;
      }
      if (!('body' in silent)) {
        const result = unanswered(silent, startedAt, options);
        return {
          ...result,
          message: `${peerText(model, 80)} does not answer: ${result.message}`,
          detail: { ...detail, ...result.detail },
        };
      }
      return saw(
        'down',
        'query',
        `${peerText(model, 80)} does not answer: HTTP ${silent.status} ${shown(read(silent)?.text ?? '')}`.trim(),
        startedAt,
        { ...detail, status: silent.status },
      );
    }
    const message = `${models.length} models${asked.length > 0 ? `, ${asked.length} asked and answered` : ''}`;
    return answered('query', message, startedAt, options, { ...detail, ...(asked.length > 0 && { slowestMs }) });
  };
}

/** undefined where the model answered; else what came in place of an answer. */
async function question(
  api: ModelsTarget['api'],
  model: string,
  call: (path: string, body: object) => Promise<HttpOutcome>,
): Promise<HttpOutcome | undefined> {
  const first =
    api === 'ollama'
      ? await call('/api/generate', { model, prompt: QUESTION, stream: false, options: { num_predict: 1 } })
      : await call('/v1/chat/completions', { model, messages: [{ role: 'user', content: QUESTION }], max_tokens: 1 });
  if (!('body' in first)) return first;
  const reply = read(first);
  if (first.status === 200 && reply && (typeof reply.body['response'] === 'string' || isFilled(reply.body['choices'])))
    return undefined;
  // What only turns text into vectors says so.
  if (first.status !== 400 && first.status !== 404) return first;
  const second =
    api === 'ollama'
      ? await call('/api/embed', { model, input: QUESTION })
      : await call('/v1/embeddings', { model, input: QUESTION });
  if (!('body' in second)) return second;
  const vectors = read(second)?.body;
  return second.status === 200 && (isFilled(vectors?.['embeddings']) || isFilled(vectors?.['data']))
    ? undefined
    : first;
}

function read(outcome: Extract<HttpOutcome, { readonly body: Buffer }>): Answer | undefined {
  const text = outcome.body.toString('utf8');
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null
      ? { status: outcome.status, body: body as Record<string, unknown>, text }
      : undefined;
  } catch {
    return { status: outcome.status, body: {}, text };
  }
}

function namesIn(api: ModelsTarget['api'], body: Record<string, unknown> | undefined): string[] | undefined {
  const list = body?.[api === 'ollama' ? 'models' : 'data'];
  if (!Array.isArray(list)) return undefined;
  return list.flatMap((entry: unknown) => {
    const name = (entry as Record<string, unknown> | null)?.[api === 'ollama' ? 'name' : 'id'];
    return typeof name === 'string' ? [name] : [];
  });
}

/** Ollama's llama3 is llama3:latest. */
function same(wanted: string, known: string): boolean {
  return known === wanted || known === `${wanted}:latest`;
}

function isFilled(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0;
}
