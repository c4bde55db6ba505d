// The webhook receiver as a Cloudflare Worker: the decisions of the server, and a queue where that has a journal.
import type { MessageBatch } from '../platform.ts';
import { bring } from './bring.ts';
import type { Env } from './env.ts';
import { receive } from './receive.ts';

export default {
  fetch: (request: Request, env: Env): Promise<Response> => receive(request, env),
  queue: (batch: MessageBatch, env: Env): Promise<void> => bring(batch, env),
};
