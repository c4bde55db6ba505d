import { z } from 'zod';
import { bodyOf, type Service, type ServiceAnswer, type ServiceRequest, taken } from './service.ts';

export const HOST_TOKEN = 'github_pat_11AAAAAAA0abcdefghijklmnop';
export const REPOSITORY = 'example/operations';

const CreateIssue = z.strictObject({
  title: z.union([z.string().min(1).max(256), z.number()]),
  body: z.string().max(65_536).optional(),
  labels: z.array(z.string()).optional(),
  assignees: z.array(z.string()).optional(),
  milestone: z.union([z.string(), z.number()]).nullish(),
});
const UpdateIssue = z.strictObject({
  title: z.string().nullish(),
  body: z.string().max(65_536).nullish(),
  state: z.enum(['open', 'closed']).optional(),
  state_reason: z.enum(['completed', 'not_planned', 'duplicate', 'reopened']).nullish(),
  labels: z.array(z.string()).optional(),
});
const CreateComment = z.strictObject({ body: z.string().min(1).max(65_536) });
const Listing = z.strictObject({
  state: z.enum(['open', 'closed', 'all']).optional(),
  sort: z.enum(['created', 'updated', 'comments']).optional(),
  direction: z.enum(['asc', 'desc']).optional(),
  labels: z.string().optional(),
  per_page: z.coerce.number().int().min(1).max(100).optional(),
  page: z.coerce.number().int().min(1).optional(),
  /** The name that Gitea and Forgejo have for per_page; GitHub does not look at it. */
  limit: z.coerce.number().int().optional(),
});

export interface KeptIssue {
  readonly number: number;
  title: string;
  body: string;
  state: 'open' | 'closed';
  labels: string[];
  readonly comments: string[];
}

/** A host that keeps the issues of one repository; `isGitea` has its dialect where the two differ in what a channel meets. */
export function gitHost({ isGitea = false } = {}): Service & { readonly issues: readonly KeptIssue[] } {
  const issues: KeptIssue[] = [];
  const prefix = isGitea ? '/api/v1' : '';
  const root = `${prefix}/repos/${REPOSITORY}/issues`;

  const told = ({ comments: _comments, labels, ...issue }: KeptIssue, { origin }: URL) => ({
    id: issue.number + 1_000,
    ...issue,
    labels: labels.map((name) => ({ name })),
    html_url: `${origin}/${REPOSITORY}/issues/${issue.number}`,
    ...(isGitea ? { pull_request: null } : {}),
  });
  const invalid = (message: string): ServiceAnswer => ({
    status: 422,
    body: { message: `Validation Failed: ${message}` },
  });

  function list({ url }: ServiceRequest): ServiceAnswer {
    const { data, error } = Listing.safeParse(Object.fromEntries(url.searchParams));
    if (!data) return invalid(error.message);
    const size = isGitea ? Math.min(data.limit ?? 30, 3) : Math.min(data.per_page ?? 30, 3);
    const { page = 1, state = 'open', labels } = data;
    const all = issues
      .filter((issue) => state === 'all' || issue.state === state)
      .filter((issue) => labels === undefined || labels.split(',').every((label) => issue.labels.includes(label)))
      .toReversed();
    const next = page * size < all.length;
    return {
      status: 200,
      headers: next ? { link: `<${url.origin}${root}?page=${page + 1}>; rel="next"` } : {},
      body: all.slice((page - 1) * size, page * size).map((issue) => told(issue, url)),
    };
  }

  function create(request: ServiceRequest): ServiceAnswer {
    const { data, wrong } = bodyOf(CreateIssue, request);
    if (wrong !== undefined) return invalid(wrong);
    // There labels are numbers.
    if (isGitea && data.labels !== undefined) return invalid('labels: expected a number');
    const { title, body = '', labels = [] } = data;
    const issue: KeptIssue = {
      number: issues.length + 1,
      title: String(title),
      body,
      state: 'open',
      labels,
      comments: [],
    };
    issues.push(issue);
    return { status: 201, body: told(issue, request.url) };
  }

  return {
    published: 'https://docs.github.com/rest/issues/issues and https://docs.gitea.com/api/ (issue)',
    path: prefix,
    issues,
    answer(request) {
      const { authorization, 'user-agent': agent } = request.headers;
      if (!agent) return { status: 403, body: { message: 'Request forbidden by administrative rules.' } };
      if (authorization !== `Bearer ${HOST_TOKEN}`) return { status: 401, body: { message: 'Bad credentials' } };
      const [number, more] = request.url.pathname.slice(root.length + 1).split('/');
      if (!request.url.pathname.startsWith(root)) return { status: 404, body: { message: 'Not Found' } };
      if (!number) return request.method === 'GET' ? list(request) : create(request);
      const issue = issues[Number(number) - 1];
      if (!issue) return { status: 404, body: { message: 'Not Found' } };
      if (request.method === 'POST' && more === 'comments') {
        const { data, wrong } = bodyOf(CreateComment, request);
        if (wrong !== undefined) return invalid(wrong);
        issue.comments.push(data.body);
        return { status: 201, body: { id: 1, body: data.body } };
      }
      const { data, wrong } = bodyOf(UpdateIssue, request);
      if (request.method !== 'PATCH' || wrong !== undefined) return invalid(wrong ?? 'expected PATCH');
      issue.state = data.state ?? issue.state;
      issue.body = data.body ?? issue.body;
      return { status: isGitea ? 201 : 200, body: told(issue, request.url) };
    },
    shown(request) {
      if (request.method === 'GET') return '';
      const { body, title } = taken(z.object({ body: z.string().optional(), title: z.string().optional() }), request);
      return `${title ?? ''}\n${body ?? ''}`;
    },
    markup(request) {
      if (request.method === 'GET') return [];
      const { body = '' } = taken(z.object({ body: z.string().optional() }), request);
      const lines = body.split('\n');
      // A fence ends with a line of at least as many ticks as it began with, and nothing else on it.
      const fence = /^(`{3,})text$/.exec(lines[0] ?? '')?.[1] ?? 'no fence';
      const end = lines.findIndex((line, index) => index > 0 && /^`+$/.test(line) && line.length >= fence.length);
      const after = lines
        .slice(end + 1)
        .join('\n')
        .replaceAll(/<!-- steward-[\w-]+: [\w ]+ -->/g, '')
        .replaceAll(/https?:\S+/g, '');
      return end > 0 ? (after.match(/[@#<>*_`[\]]/g) ?? []) : ['no fence'];
    },
  };
}
