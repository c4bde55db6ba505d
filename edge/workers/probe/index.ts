// A place as a Cloudflare Worker: the checks of the server, every five minutes, from wherever Cloudflare runs it.
import type { Env } from './env.ts';
import { round } from './round.ts';

export default {
  scheduled: (_event: unknown, env: Env): Promise<void> => round(env),
};
