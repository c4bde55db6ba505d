import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Alert, Channel } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { call, type Delivery, jsonOf } from './http-delivery.ts';
import { tokenOf, under } from './secret-address.ts';
import { cut, factLines } from './words.ts';

export interface IssueSettings {
  readonly name: string;
  readonly url: string;
  readonly repository: string;
  readonly token: SecretReference;
  readonly labels: readonly string[];
  readonly allowPrivate: boolean;
}

const Issue = z.object({
  number: z.number(),
  state: z.string(),
  body: z.string().nullish(),
  html_url: z.string().optional(),
  pull_request: z.unknown().optional(),
});
type Issue = z.output<typeof Issue>;

const PAGE = 50;
/** The latest thousand: an incident that is older than these gets another issue. */
const PAGES = 20;
const PAGE_BYTES = 8 * 1024 * 1024;
const DEADLINE_MS = 30_000;
const TITLE_LENGTH = 250;
/** Alerts that an issue remembers: more than can be on their way at once. */
const HEARD_OF = 20;

/**
 * One issue for one incident, on GitHub or on what has its interface (Gitea, Forgejo): found again by a mark in its text, so that
 * nothing sent twice opens two; told of what happens, and closed when it is over.
 */
export function issueChannel(
  { name, url, repository, token, labels, allowPrivate }: IssueSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  const [owner = '', repo = ''] = repository.split('/');
  const issues = under(url, 'repos', owner, repo, 'issues');

  function client(key: string, signal: AbortSignal) {
    const headers = {
      authorization: `Bearer ${key}`,
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
    };
    const common = { headers, allowPrivate, signal, conceal: [key], maxResponseBytes: PAGE_BYTES };
    const ask = async (delivery: Pick<Delivery, 'url' | 'method'>, body?: object) =>
      await call(outbound, name, {
        ...common,
        ...delivery,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const one = async (delivery: Pick<Delivery, 'url' | 'method'>, body: object): Promise<Issue> =>
      read(Issue, (await ask(delivery, body)).body, name);
    return {
      create: async (body: object) => await one({ url: issues }, body),
      update: async ({ number }: Issue, body: object) =>
        await one({ url: `${issues}/${number}`, method: 'PATCH' }, body),
      comment: async ({ number }: Issue, body: string) =>
        void (await ask({ url: `${issues}/${number}/comments` }, { body })),
      async find(mark: string): Promise<Issue | undefined> {
        for (let page = 1; page <= PAGES; page += 1) {
          const query = new URLSearchParams({
            state: 'all',
            sort: 'created',
            direction: 'desc',
            page: String(page),
            // GitHub knows the one, Gitea the other.
            per_page: String(PAGE),
            limit: String(PAGE),
            ...(labels.length > 0 ? { labels: labels.join(',') } : {}),
          });
          const answer = await ask({ url: `${issues}?${query.toString()}`, method: 'GET' });
          const found = read(z.array(Issue), answer.body, name);
          const known = found.find(
            ({ body, pull_request: pull }) => (pull ?? undefined) === undefined && body?.includes(mark),
          );
          if (known || !/rel="next"/.test(answer.headers['link'] ?? '')) return known;
        }
        return undefined;
      },
    };
  }

  return {
    name,
    kind: 'issue',
    deadlineMs: DEADLINE_MS,
    async deliver(alert, signal) {
      const host = client(await tokenOf(token, secrets), signal);
      const mark = markFor(alert);
      const known = await host.find(mark);
      const isOver = alert.kind === 'resolved';
      // Of a beginning that nobody was told here, the end is no news either.
      if (!known && (isOver || alert.kind === 'acknowledged')) return { receipt: 'there is no issue about it' };

      if (!known) {
        const body = `${quoted(alert)}\n\n${mark}\n<!-- steward-alerts: ${alert.id} -->`;
        const issue = await host.create({
          title: cut(alert.title, TITLE_LENGTH),
          body,
          ...(labels.length > 0 ? { labels } : {}),
        });
        // These are there to be read and not to be worked on.
        if (alert.kind === 'test' || alert.kind === 'digest' || alert.kind === 'success')
          await host.update(issue, { state: 'closed' });
        return { receipt: `opened ${nameOf(issue)}` };
      }
      const heard = heardOf(known);
      // What was sent before and not confirmed is told once all the same.
      if (!heard.includes(alert.id)) {
        await host.comment(known, quoted(alert));
        await host.update(known, { body: withHeard(known, [...heard, alert.id]), ...stateAfter(alert, known) });
      }
      return { receipt: `${isOver ? 'closed' : 'told'} ${nameOf(known)}` };
    },
  };
}

const HEARD = /<!-- steward-alerts: ([\w ]*) -->/;

function heardOf({ body }: Issue): string[] {
  return HEARD.exec(body ?? '')?.[1]?.split(' ') ?? [];
}

function withHeard({ body }: Issue, ids: readonly string[]): string {
  const line = `<!-- steward-alerts: ${ids.slice(-HEARD_OF).join(' ')} -->`;
  return HEARD.test(body ?? '') ? (body ?? '').replace(HEARD, line) : `${body ?? ''}\n${line}`;
}

function stateAfter({ kind }: Alert, { state }: Issue): object {
  if (kind === 'resolved') return state === 'closed' ? {} : { state: 'closed' };
  return state === 'closed' ? { state: 'open' } : {};
}

function markFor({ id, incidentId }: Alert): string {
  return `<!-- steward-incident: ${incidentId ?? id} -->`;
}

/** Between fences nothing is Markdown: no mention calls anybody, no number refers to another issue. */
function quoted(alert: Alert): string {
  const text = [alert.text, ...factLines(alert)].join('\n').toWellFormed();
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const title = alert.title.replaceAll(/\s+/g, ' ');
  return [
    `${fence}text`,
    cut(title, TITLE_LENGTH),
    '',
    text,
    fence,
    ...(alert.url === undefined ? [] : ['', alert.url]),
  ].join('\n');
}

function nameOf({ number, html_url: address }: Issue): string {
  return `issue ${number}${address === undefined ? '' : ` (${address})`}`;
}

function read<Schema extends z.ZodType>(schema: Schema, body: string, name: string): z.output<Schema> {
  const { data } = schema.safeParse(jsonOf(body));
  if (data !== undefined) return data;
  throw new StewardError(
    'UNAVAILABLE',
    `What the receiver of channel ${name} answered is not what a git host says of issues.`,
    {
      hint: `Give the address of its interface: https://api.github.com, or https://git.example.org/api/v1. It is tried again.`,
    },
  );
}
