import type { Resource, ResourceTemplateType } from '@modelcontextprotocol/server';
import { StewardError } from '../../core/errors.ts';
import type { Call } from '../../core/operation.ts';
import { asJson, assertMay, perform } from '../perform.ts';
import type { McpDeps } from './deps.ts';
import { excerptOf } from './excerpt.ts';
import { INSTRUCTIONS } from './policy-text.ts';
import { excerptOfRun } from './run-answer.ts';
import { untrusted } from './untrusted.ts';

export interface Text {
  readonly mimeType: string;
  readonly text: string;
}

export const TEMPLATES: readonly ResourceTemplateType[] = [
  {
    name: 'run',
    title: 'A run',
    uriTemplate: 'steward://run/{id}',
    description: 'One run: plan, changes, checks, output.',
    mimeType: 'application/json',
  },
  {
    name: 'incident',
    title: 'An incident',
    uriTemplate: 'steward://incident/{id}',
    description: 'One incident with its evidence and timeline.',
    mimeType: 'application/json',
  },
  {
    name: 'automation',
    title: 'An automation',
    uriTemplate: 'steward://automation/{name}',
    description: 'What it does, before and after, and how it proves it.',
    mimeType: 'text/markdown',
  },
];

/** What can be read without arguments: state that changes, and the pages that people wrote. */
interface Fixed extends Resource {
  readonly query?: { readonly name: string; readonly input: Readonly<Record<string, unknown>> };
}

const STATE: readonly Fixed[] = [
  fixed('status', 'Status', 'Whether everything is all right.', 'overview', {}),
  fixed('incidents', 'Open incidents', 'What is wrong now.', 'incidents', {
    status: ['open', 'healing', 'escalated'],
    limit: 25,
  }),
  fixed('waiting', 'Waiting for a person', 'Plans that nobody approved yet.', 'runs', {
    status: 'waiting-approval',
    limit: 25,
  }),
];

function fixed(name: string, title: string, description: string, query: string, input: object): Fixed {
  const uri = `steward://${name}`;
  return { uri, name, title, description, mimeType: 'application/json', query: { name: query, input: { ...input } } };
}

export interface Resources {
  readonly list: readonly Resource[];
  read(uri: string, call: Call): Promise<Text>;
}

export function createResources(deps: McpDeps): Resources {
  const { catalog, audit, runs, runbooks } = deps;
  const state = STATE.filter(({ query }) => query && catalog.operations.has(query.name));
  const pages = runbooks.map(({ kind, name, title }) => ({
    uri: `steward://${kind}/${name}`,
    name,
    title,
    mimeType: 'text/markdown',
  }));
  const policy: Resource = {
    uri: 'steward://policy',
    name: 'policy',
    title: 'How assistants work with Steward',
    mimeType: 'text/markdown',
  };
  const mayRead = (call: Call, id: string): Promise<void> => assertMay(call, 'read', { kind: 'operation', id }, audit);

  async function ask(name: string, input: object, call: Call): Promise<Text> {
    const operation = catalog.operations.get(name);
    if (!operation) throw missing(name);
    const data = asJson((await perform(operation, input, call, audit)) ?? null);
    const { value, leftOut } = excerptOf({ data }, {});
    return json({ untrusted: untrusted(value), ...(leftOut.length > 0 && { leftOut }) });
  }

  return {
    list: [...state.map(({ query: _query, ...resource }) => resource), policy, ...pages],
    async read(uri, call) {
      if (uri === policy.uri) return { mimeType: 'text/markdown', text: INSTRUCTIONS };
      const known = state.find((each) => each.uri === uri)?.query;
      if (known) return await ask(known.name, known.input, call);
      const [, kind = '', id = ''] = /^steward:\/\/([a-z]+)\/([\w.:@-]{1,200})$/.exec(uri) ?? [];
      if (kind === 'incident') return await ask('incident-get', { id }, call);
      if (kind === 'run') {
        await mayRead(call, 'run-get');
        const run = await runs.get(id);
        if (!run) throw missing(uri);
        return json(excerptOfRun(run, { page: deps.page() }, {}).structured);
      }
      const page = runbooks.find((each) => each.kind === kind && each.name === id);
      if (!page) throw missing(uri);
      await mayRead(call, kind === 'automation' ? id : 'healing');
      return { mimeType: 'text/markdown', text: await page.text() };
    },
  };
}

function json(value: object): Text {
  return { mimeType: 'application/json', text: JSON.stringify(value) };
}

function missing(uri: string): StewardError {
  return new StewardError('NOT_FOUND', `There is nothing at ${uri.slice(0, 200)}.`, { hint: 'See resources/list.' });
}
