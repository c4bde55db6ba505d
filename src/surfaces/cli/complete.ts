import type { Argument, Command, Option } from 'commander';
import { findServer, request } from './client.ts';
import type { CliOptions } from './cli-options.ts';
import { chosen } from './reach.ts';
import { plain } from './terminal.ts';

interface Candidate {
  readonly word: string;
  readonly about: string;
}

/** Whoever presses the key waits for it: what does not answer soon is left out. */
const WITHIN_MS = 1_000;
const MOST = 200;

interface Names {
  readonly query: string;
  readonly word: (row: Record<string, unknown>) => unknown;
  readonly about: (row: Record<string, unknown>) => unknown;
}

const NAMES: Readonly<Record<'services' | 'runs' | 'workflows' | 'nodes' | 'incidents', Names>> = {
  services: { query: 'services', word: ({ name }) => name, about: ({ product, state }) => `${product}, ${state}` },
  runs: { query: 'runs?limit=50', word: ({ id }) => id, about: ({ automation, status }) => `${automation}, ${status}` },
  workflows: { query: 'workflows', word: ({ id }) => id, about: ({ title }) => title },
  nodes: { query: 'registry-nodes', word: ({ name }) => name, about: ({ status }) => status },
  incidents: {
    query: 'incidents?limit=50',
    word: ({ id }) => id,
    about: ({ title, status }) => `${status}: ${title}`,
  },
};

/** What a name on the command line is one of, by what it is called or by the command that it belongs to. */
function namesOf(what: string, path: readonly string[]): Names | undefined {
  if (/^(service|services|resource|target)$/.test(what)) return NAMES.services;
  if (/^(run|run-id)$/.test(what)) return NAMES.runs;
  if (/^(workflow|workflows)$/.test(what)) return NAMES.workflows;
  if (/^(node|nodes)$/.test(what)) return NAMES.nodes;
  if (what !== 'id') return undefined;
  const [group = ''] = path;
  return NAMES[`${group.replace(/s$/, '')}s` as keyof typeof NAMES];
}

/** What may stand in the place of the last word, which is whole, begun or empty. */
export async function complete(program: Command, typed: readonly string[], around: CliOptions): Promise<Candidate[]> {
  const words = joined(typed);
  const last = words.pop() ?? '';
  let command = program;
  const path: string[] = [];
  let positions = 0;
  let awaiting: Option | undefined;
  for (const word of words) {
    if (awaiting) {
      awaiting = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = optionOf(command, word);
      if (option?.required && !word.includes('=')) awaiting = option;
      continue;
    }
    const next = positions === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (next) {
      command = next;
      path.push(word);
    } else positions += 1;
  }
  const begun = (candidates: readonly Candidate[], prefix = ''): Candidate[] =>
    candidates
      .filter(({ word }) => word.startsWith(last.slice(prefix.length)))
      .slice(0, MOST)
      .map(({ word, about }) => ({ word: prefix + word, about }));

  if (awaiting) return begun(await valuesOf(awaiting, path, around));
  const assigned = /^(--[\w-]+)=/.exec(last);
  if (assigned) {
    const option = optionOf(command, assigned[1] ?? '');
    return option ? begun(await valuesOf(option, path, around), assigned[0]) : [];
  }
  if (last.startsWith('-')) return begun(optionsOf(command));
  const commands = command.commands
    .filter((each) => positions === 0 && each.name() !== 'help')
    .map((each) => ({ word: each.name(), about: each.description() }));
  const { registeredArguments } = command;
  const argument =
    registeredArguments[positions] ?? (registeredArguments.at(-1)?.variadic ? registeredArguments.at(-1) : undefined);
  return begun([...commands, ...(argument ? await argumentsOf(argument, path, around) : [])]);
}

/** bash takes `--level=err` apart at the equals sign. */
function joined(typed: readonly string[]): string[] {
  const words: string[] = [];
  for (const [index, word] of typed.entries()) {
    const after = typed[index - 1] === '=' && words.at(-1)?.endsWith('=');
    if ((word === '=' && words.at(-1)?.startsWith('--')) || after) words.push(`${words.pop() ?? ''}${word}`);
    else words.push(word);
  }
  return words;
}

function optionOf(command: Command, word: string): Option | undefined {
  const flag = word.split('=', 1)[0];
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

function optionsOf(command: Command): Candidate[] {
  const own = command.options
    .filter(({ hidden, long }) => !hidden && long)
    .map(({ long, description }) => ({ word: long ?? '', about: description }));
  return [...own, { word: '--help', about: 'Shows what the command does and takes.' }];
}

async function valuesOf(
  { flags, long, argChoices }: Option,
  path: readonly string[],
  around: CliOptions,
): Promise<Candidate[]> {
  const listed = argChoices ?? /[<[]([\w.-]+(?:\|[\w.-]+)+)[>\]]/.exec(flags)?.[1]?.split('|');
  if (listed) return listed.map((word) => ({ word, about: '' }));
  if (long === '--level') return ['debug', 'info', 'warning', 'error'].map((word) => ({ word, about: '' }));
  return await namesFrom(namesOf((long ?? '').slice(2), path), around);
}

async function argumentsOf(argument: Argument, path: readonly string[], around: CliOptions): Promise<Candidate[]> {
  if (argument.argChoices) return argument.argChoices.map((word) => ({ word, about: '' }));
  return await namesFrom(namesOf(argument.name(), path), around);
}

async function namesFrom(names: Names | undefined, around: CliOptions): Promise<Candidate[]> {
  if (!names) return [];
  const server = await findServer(around.home, chosen({}, around)).catch(() => undefined);
  if (!server) return [];
  const path = `/api/v1/${names.query}`;
  const answer = await request(server, 'GET', path, undefined, AbortSignal.timeout(WITHIN_MS)).catch(() => undefined);
  const body = answer?.body as { readonly items?: Record<string, unknown>[] } | Record<string, unknown>[] | undefined;
  const rows = Array.isArray(body) ? body : (body?.items ?? []);
  return rows.map((row) => ({ word: plain(String(names.word(row))), about: plain(String(names.about(row))) }));
}
