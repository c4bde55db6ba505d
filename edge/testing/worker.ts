import { type Case, judgeCase } from './case.ts';

export default {
  async fetch(request: Request): Promise<Response> {
    const cases = (await request.json()) as readonly Case[];
    return Response.json(await Promise.all(cases.map(judgeCase)));
  },
};
