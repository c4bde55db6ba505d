import { z } from 'zod';
import { parseDuration } from '../../core/duration.ts';
import { Line, LogLevel } from '../../core/lines.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import { OWN } from './components.ts';
import type { LogsDeps } from './deps.ts';
import { failuresIn, searchLogs } from './search.ts';

const services = z
  .array(z.string().min(1).max(300))
  .max(50)
  .optional()
  .describe(`Only these, by name or id; ${OWN} is Steward itself. By default everything on this node.`);
const since = z
  .string()
  .max(40)
  .refine((text) => parseDuration(text) !== undefined || !Number.isNaN(Date.parse(text)), {
    message: 'expected a length of time such as 1h, or an instant',
  })
  .default('1h')
  .describe('How far back: 30m, 2d, or an instant.');
const level = LogLevel.optional().describe('No less severe than this.');

const NotSearched = z.object({ component: z.string(), reason: z.string() });

export function logOperations(deps: LogsDeps): AnyOperation[] {
  const from = (text: string): Date => {
    const length = parseDuration(text);
    const at = length === undefined ? Date.parse(text) : deps.now().getTime() - length;
    // No log is older, and the store knows no instant as early as a date may be.
    return new Date(Math.max(0, at));
  };

  const search = defineQuery({
    name: 'logs-search',
    title: 'Search the logs',
    summary: 'Looks for a text in the logs of the services on this node, of Steward, and of its runs.',
    permission: 'read',
    input: z.object({
      text: z.string().min(1).max(500).optional().describe('What the line contains, in any case.'),
      services,
      since,
      level,
      limit: z.coerce.number().int().min(1).max(2_000).default(200).describe('At most this many lines, the last ones.'),
    }),
    output: z.object({
      items: z.array(Line),
      found: z.number().int().describe('How many there were before the limit.'),
      notSearched: z.array(NotSearched).describe('What was not, or not wholly, looked at.'),
    }),
    paths: ['/api/v1/logs'],
    cli: ['logs', 'search'],
    cliArguments: ['text'],
    columns: ['at', 'component', 'level', 'text'],
    examples: [{ title: 'What went wrong in the last two hours', input: { level: 'error', since: '2h' } }],
    async handle({ text, services: named = [], since: back, level: least, limit }) {
      const { lines, notSearched } = await searchLogs(deps, { services: named, since: from(back), text, level: least });
      return { items: lines.slice(-limit), found: lines.length, notSearched };
    },
  });

  const failures = defineQuery({
    name: 'logs-failures',
    title: 'Recent failures',
    summary: 'Shows what the logs of this node complain about, each kind of message once with how often it came.',
    permission: 'read',
    input: z.object({ services, since }),
    output: z.object({
      items: z.array(
        z.object({
          component: z.string(),
          count: z.number().int(),
          first: z.coerce.date(),
          last: z.coerce.date(),
          text: z.string().describe('The last of them; untrusted.'),
          source: z.string(),
        }),
      ),
      notSearched: z.array(NotSearched),
    }),
    paths: ['/api/v1/logs/failures'],
    cli: ['logs', 'failures'],
    columns: ['last', 'component', 'count', 'text'],
    async handle({ services: named = [], since: back }) {
      const { lines, notSearched } = await searchLogs(deps, { services: named, since: from(back), level: 'error' });
      return { items: failuresIn(lines).slice(0, 200), notSearched };
    },
  });

  const tail = defineQuery({
    name: 'logs-tail',
    title: 'The last lines of a log',
    summary: 'Shows the last lines of the log of a service on this node, or of Steward itself.',
    permission: 'read',
    input: z.object({
      service: z.string().min(1).max(300).describe(`By name or id; ${OWN} is Steward itself.`),
      lines: z.coerce.number().int().min(1).max(2_000).default(50).describe('At most this many.'),
    }),
    output: z.object({ items: z.array(Line) }),
    paths: ['/api/v1/logs/{service}/tail'],
    cli: ['logs', 'tail'],
    cliArguments: ['service'],
    columns: ['at', 'level', 'text'],
    handle: async ({ service, lines }) => ({ items: await deps.tail(service, lines) }),
  });

  return [search, failures, tail];
}
