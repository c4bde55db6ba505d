import { type Case, judgeCases } from './case.ts';
import { probeHttp } from '../handlers/probe/http.ts';
import type { ProbeCase } from './probe-suite.ts';
import { type Story, tell } from './gateway-story.ts';

export default {
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/probe') {
      const asked = (await request.json()) as readonly ProbeCase[];
      return Response.json(await Promise.all(asked.map(({ target, times }) => probeHttp(target, times))));
    }
    if (new URL(request.url).pathname === '/gateway') return Response.json(await tell((await request.json()) as Story));
    const cases = (await request.json()) as readonly Case[];
    return Response.json(await judgeCases(cases));
  },
};
