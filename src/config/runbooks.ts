import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { AnyAutomation } from '../core/automation.ts';
import { type Problem, StewardError } from '../core/errors.ts';
import { hasPlaces, type Runbook, RunbookHead } from '../core/runbook.ts';
import { parseConfigDocument } from './document.ts';
import { complaints } from './explain.ts';

export interface LoadedRunbooks {
  /** In the order in which they are tried. */
  readonly runbooks: readonly Runbook[];
  /** Files of the user that are not in force: where in them, and what is wrong. */
  readonly problems: readonly Problem[];
}

export interface RunbookPlaces {
  readonly shipped: string;
  /** Where people put theirs; need not exist. One with the name of a shipped one takes its place. */
  readonly own: string;
  readonly automations: ReadonlyMap<string, AnyAutomation>;
}

const HEAD = /^---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/;
const LARGEST = 262_144;

/** Reads every runbook. A broken file that ships is a mistake of ours and throws; one of the user's is told of and left out. */
export function loadRunbooks({ shipped, own, automations }: RunbookPlaces): LoadedRunbooks {
  const ours = filesIn(shipped).map((file) => {
    const read = readRunbook(join(shipped, file), { file, source: 'shipped', automations });
    if ('problems' in read) throw invalid(read.problems);
    return read.runbook;
  });
  const problems: Problem[] = [];
  const theirs = filesIn(own).flatMap((file) => {
    const read = readRunbook(join(own, file), { file: `runbooks/${file}`, source: join(own, file), automations });
    if ('runbook' in read) return [read.runbook];
    problems.push(...read.problems);
    return [];
  });
  const named = new Map([...ours, ...theirs].map((runbook) => [runbook.name, runbook]));
  return {
    runbooks: [...named.values()].toSorted((a, b) => a.order - b.order || a.name.localeCompare(b.name)),
    problems,
  };
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.md') && !name.startsWith('.'))
      .toSorted();
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}

interface About {
  /** As it is called in messages. */
  readonly file: string;
  readonly source: string;
  readonly automations: ReadonlyMap<string, AnyAutomation>;
}

function readRunbook(path: string, about: About): { runbook: Runbook } | { problems: Problem[] } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    return { problems: [{ path: about.file, message: `cannot be read: ${(thrown as Error).message}` }] };
  }
  return parseRunbook(text, about);
}

/** Problems have `restart-supervised.md:7:14` as their path. */
export function parseRunbook(text: string, about: About): { runbook: Runbook } | { problems: Problem[] } {
  const { file, source, automations } = about;
  const at = (position: string, message: string): { problems: Problem[] } => ({
    problems: [{ path: `${file}:${position}`, message }],
  });
  if (text.length > LARGEST) return at('1:1', `is longer than ${LARGEST} characters`);
  const [, head, body] = HEAD.exec(text) ?? [];
  if (head === undefined || body === undefined)
    return at('1:1', 'expected a head between two lines of ---, and below it what the runbook does, step by step');
  const parsed = parseConfigDocument(head);
  if ('problems' in parsed)
    return { problems: parsed.problems.map(({ path, message }) => ({ path: place(file, path), message })) };
  const { document } = parsed;
  const checked = RunbookHead.safeParse(document.value);
  if (!checked.success) {
    return {
      problems: complaints(RunbookHead, checked.error, document.value).map(({ path, key, message }) => ({
        path: place(file, document.position(path, key)),
        message: `${[...path, ...(key === undefined ? [] : [key])].join('.')}: ${message}`,
      })),
    };
  }
  const runbook = checked.data;
  const wrong = misuse(runbook, about) ?? unfitInput(runbook, automations.get(runbook.automation));
  if (wrong) return { problems: [{ path: place(file, document.position(wrong.path)), message: wrong.message }] };
  if (body.trim() === '') return at('1:1', 'expected below the head what it does, step by step');
  return { runbook: { ...runbook, text: body.trim(), source } };
}

interface Wrong {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

function misuse(runbook: RunbookHead, { file, source, automations }: About): Wrong | undefined {
  if (!file.endsWith(`${runbook.name}.md`))
    return { path: ['name'], message: `the file of the runbook '${runbook.name}' is called ${runbook.name}.md` };
  const automation = automations.get(runbook.automation);
  if (!automation)
    return { path: ['automation'], message: `there is no automation '${runbook.automation}'; see steward automations` };
  if (source === 'shipped') return undefined;
  if (runbook.autonomy === 'trusted')
    return {
      path: ['autonomy'],
      message: 'a runbook of yours earns it by its record; to vouch for it, name it in healing.autonomy.trusted',
    };
  if (!runbook.disruptive && automation.effect !== 'read')
    return { path: ['disruptive'], message: `${automation.name} changes something, so it counts against the limits` };
  return undefined;
}

/** What stands in the places is known only when there is something to heal; the rest is checked now. */
function unfitInput({ input }: RunbookHead, automation: AnyAutomation | undefined): Wrong | undefined {
  if (!automation) return undefined;
  const known = (z.toJSONSchema(automation.input, { io: 'input' }) as { properties?: object }).properties ?? {};
  for (const key of Object.keys(input))
    if (!(key in known))
      return {
        path: ['input', key],
        message: `${automation.name} takes no '${key}', but ${Object.keys(known).join(', ')}`,
      };
  const checked = automation.input.safeParse(input);
  const issue = checked.error?.issues.find(({ path }: z.core.$ZodIssue) => {
    const [member] = path;
    const value = member === undefined ? undefined : input[String(member)];
    return value === undefined || !hasPlaces(value);
  });
  return issue && { path: ['input', ...issue.path.map(String)], message: issue.message };
}

/** The head begins below the first line of the file. */
function place(file: string, position: string): string {
  const [line = '1', column = '1'] = position.split(':');
  return `${file}:${Number(line) + 1}:${column}`;
}

function invalid(problems: readonly Problem[]): StewardError {
  return new StewardError('CONFIG_INVALID', `${problems[0]?.path}: ${problems[0]?.message}`, { problems });
}
