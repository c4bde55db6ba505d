import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';
import { type CommandDescription, type Manifest, MANIFEST_PATH } from '../manifest.ts';
import { findServer, request, type Server } from './client.ts';
import { addPerson, type PersonFlags } from './person.ts';
import { addFormat, addServer, type Flags, FORMAT, isJson, isPrefix, leaf } from './command-tree.ts';
import type { CliOptions } from './cli-options.ts';
import { withNodeNames } from './node-names.ts';
import { addOutput, download } from './download.ts';
import { addFile, withFile } from './from-file.ts';
import { addInput, COMMON, parseInputs } from './options.ts';
import { addLogsFollow } from './logs-follow.ts';
import { always, type Meant, oneOfSeveral } from './one-of-several.ts';
import { addPlace, type PlaceFlags, placeOf } from './place.ts';
import { chosen, noServer, serverFor } from './reach.ts';
import type { ReportedRun } from './runs.ts';
import { addRunsWatch } from './watch.ts';
import { painter, plain } from './terminal.ts';
import { addWorkflowCommands } from './workflows.ts';

/** Their answer is a run, of which a person wants to know the plan. */
const ABOUT_A_RUN: ReadonlySet<string> = new Set(['reject-run', 'cancel-run', 'undo-run', 'resume-run', 'repeat-run']);
/** After these something goes on that one can wait for. */
const GOES_ON: ReadonlySet<string> = new Set(['approve-run', 'undo-run', 'resume-run', 'repeat-run']);

const WAIT = ['--wait', 'Follow it to its end, and exit by how it ended.'] as const;

interface Surroundings extends CliOptions {
  readonly args: readonly string[];
  readonly words: readonly string[];
  print(answer: unknown, flags: Flags, columns?: readonly string[]): void;
  report(thrown: unknown): void;
  exitWith(code: number): void;
}

/** Every operation and automation as a command. */
export async function addCatalogCommands(program: Command, around: Surroundings): Promise<void> {
  const { words } = around;
  const { operations, automations, workflows = [] } = await manifest(around);
  for (const [operation, other] of Map.groupBy(operations, (each) => each.words.join(' ')).values()) {
    if (!operation) continue;
    const command = leaf(program, operation.words, plain(operation.summary));
    if (!isPrefix(operation.words, words)) continue;
    if (other) addBoth(command, [operation, other], around);
    else addOperation(command, operation, around);
  }
  for (const same of Map.groupBy(automations, (each) => each.words?.join(' ')).values()) {
    const first = same.find(({ when }) => !when);
    if (!first?.words) continue;
    const command = leaf(program, first.words, plain(first.summary));
    if (isPrefix(first.words, words))
      addRun(command, oneOfSeveral(command, first, same), 'run', around, first.arguments);
  }
  addWorkflowCommands(program, workflows, { ...around, noServer: () => noServer(around) });
  addRunsWatch(program, around);
  addLogsFollow(program, around);
  for (const kind of ['run', 'plan'] as const) {
    const summary =
      kind === 'run' ? 'Runs an automation.' : 'Shows what an automation would change, and changes nothing.';
    const group = leaf(program, [kind], summary);
    for (const automation of automations) {
      const command = leaf(group, [automation.name], plain(automation.summary));
      if (isPrefix([kind, automation.name], words)) addRun(command, always(automation), kind, around);
    }
    // Without it a misspelled automation would only be called an unknown command.
    group.argument('[automation]').allowUnknownOption().allowExcessArguments();
    group.action(() => {
      const name = group.args[0];
      if (name === undefined) group.help();
      throw new StewardError('NOT_FOUND', `There is no automation ${name}.`, {
        hint: `There are: ${automations.map((each) => each.name).join(', ')}.`,
      });
    });
  }
}

/** What the server that runs can do; without one, what this version could. */
async function manifest({ args, home, env, described }: Surroundings): Promise<Manifest> {
  const wantsHelp = args.length === 0 || args.includes('--help') || args.includes('-h') || args[0] === 'help';
  try {
    const server = await findServer(home, {
      url: valueOf(args, '--url') ?? env['STEWARD_URL'],
      token: valueOf(args, '--token') ?? env['STEWARD_TOKEN'],
    });
    if (server) return (await request(server, 'GET', MANIFEST_PATH)).body as Manifest;
  } catch (thrown) {
    const { code } = StewardError.from(thrown);
    // A Steward that was killed, or one of another version, must not keep anybody from reading the help.
    if (!wantsHelp && code !== 'UNAVAILABLE' && code !== 'NOT_FOUND') throw thrown;
  }
  return await described();
}

function valueOf(args: readonly string[], flag: string): string | undefined {
  const at = args.findIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  return at < 0 ? undefined : args[at] === flag ? args[at + 1] : args[at]?.slice(flag.length + 1);
}

function addOperation(command: Command, operation: CommandDescription, around: Surroundings): void {
  const instead = around.instead?.[operation.name];
  // What is required of the one way is not of the other; the server says what it lacks.
  const schema = instead ? { ...operation.input, required: [] } : operation.input;
  const read = addInput(command, schema, operation.arguments, FORMAT);
  addFile(command, operation);
  for (const { flags, summary } of instead?.options ?? []) command.option(flags, summary);
  if (operation.download) addOutput(command);
  else addFormat(command);
  addServer(command);
  if (operation.name === 'approve-run' || operation.name === 'answer-workflow') addPerson(command);
  if (GOES_ON.has(operation.name)) command.option(...WAIT);
  for (const { title, input } of operation.examples)
    command.addHelpText('after', `\n${plain(title)}: ${JSON.stringify(input)}`);
  command.action(async () => {
    const flags = command.opts<Flags & Record<string, unknown>>();
    if (instead && flags[instead.when] !== undefined) return around.print(await instead.run(flags), flags);
    const input = await withFile(read(command.processedArgs, flags), flags, operation, around.stdin);
    if (operation.download) return await save(operation, input, flags, around);
    const server = await findServer(around.home, chosen(flags, around));
    if (server && operation.name === 'approve-run') {
      const { approve } = await import('./approve.ts');
      const approved = await approve(server, input, flags as PersonFlags, around);
      return await showEnd(server, approved as ReportedRun, flags, around);
    }
    if (server && operation.name === 'answer-workflow') {
      const { asPerson } = await import('./approve.ts');
      const answered = await asPerson(server, 'The answer to a workflow', flags as PersonFlags, around, (session) =>
        ask(session, operation, input, around),
      );
      return around.print(answered, flags, operation.columns);
    }
    const answer = server
      ? await ask(server, operation, input, around)
      : await withoutServer(operation.name, input, around);
    if (operation.name === 'run-get') return await showRun(answer, flags, around, true);
    if (server && GOES_ON.has(operation.name)) return await showEnd(server, answer as ReportedRun, flags, around);
    if (ABOUT_A_RUN.has(operation.name)) return await showRun(answer, flags, around);
    const shown = isJson(flags) ? answer : await withNodeNames(answer, operation.columns, server);
    around.print(shown, flags, operation.columns);
  });
}

/** A query and a command under the same words: with an argument it is said, and without one it is asked. */
function addBoth(command: Command, both: readonly CommandDescription[], around: Surroundings): void {
  const query = both.find(({ kind }) => kind === 'query');
  const said = both.find(({ kind }) => kind === 'command');
  if (!query || !said) throw new Error(`Two operations want 'steward ${both[0]?.words.join(' ')}'.`);
  command.description(`${plain(query.summary)} ${plain(said.summary)}`);
  const read = addInput(command, { ...said.input, required: [] }, said.arguments, FORMAT);
  addFormat(command);
  addServer(command);
  command.action(async () => {
    const flags = command.opts<Flags & Record<string, unknown>>();
    const server = await serverFor(flags, around);
    const input = read(command.processedArgs, flags);
    const asks = said.arguments.every((name) => input[name] === undefined);
    const answer = asks ? await ask(server, query, {}, around) : await ask(server, said, input, around);
    around.print(answer, flags, (asks ? query : said).columns);
  });
}

async function save(
  { name }: CommandDescription,
  input: Record<string, unknown>,
  flags: Flags,
  around: Surroundings,
): Promise<void> {
  const server = await serverFor(flags, around);
  const written = await download(server, pathOf(name, input), flags.output, around.stdout);
  if (written) around.stderr.write(`${written.bytes} bytes in ${plain(written.file)}\n`);
}

function pathOf(name: string, input: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [member, value] of Object.entries(input)) {
    for (const each of [value].flat())
      query.append(member, typeof each === 'object' ? JSON.stringify(each) : String(each));
  }
  return query.size > 0 ? `/api/v1/${name}?${query}` : `/api/v1/${name}`;
}

async function ask(
  server: Server,
  { name, kind }: CommandDescription,
  input: Record<string, unknown>,
  around: Surroundings,
): Promise<unknown> {
  try {
    if (kind === 'command') return (await request(server, 'POST', `/api/v1/${name}`, input)).body;
    return (await request(server, 'GET', pathOf(name, input))).body;
  } catch (thrown) {
    // A Steward that was killed leaves its announcement behind.
    if (thrown instanceof StewardError && thrown.code === 'UNAVAILABLE' && name in around.offline)
      return await withoutServer(name, input, around);
    throw thrown;
  }
}

async function withoutServer(name: string, input: Record<string, unknown>, around: Surroundings): Promise<unknown> {
  const way = around.offline[name];
  const operation = way && (await around.catalogOf()).operations.get(name);
  if (!way || !operation) throw noServer(around);
  const { parseInput } = await import('../input.ts');
  return await way(parseInput<Record<string, unknown>>(operation.input, input));
}

async function showRun(
  answer: unknown,
  flags: Flags,
  { stdout, env, print }: Surroundings,
  whole = false,
): Promise<void> {
  if (isJson(flags)) return print(answer, flags);
  const { printRun, printWholeRun } = await import('./runs.ts');
  (whole ? printWholeRun : printRun)(answer as Parameters<typeof printRun>[0], stdout, painter(stdout, env));
}

/** The run as it is, or where somebody waits, as it ends: then the exit code says how. */
async function showEnd(
  server: Server,
  started: ReportedRun,
  flags: Flags & { readonly wait?: boolean | undefined },
  { stdout, stderr, env, print, report, exitWith }: Surroundings,
): Promise<void> {
  const { exitCodeOf, failureOf, followRun, printRun } = await import('./runs.ts');
  let run = started;
  if (flags.wait) {
    const out = isJson(flags) ? { write: () => undefined } : stderr;
    run = await followRun(server, `/api/v1/runs/${started.id}`, request, out, painter(stderr, env));
    exitWith(exitCodeOf(run));
  }
  if (isJson(flags)) return print(run, flags);
  printRun(run, stdout, painter(stdout, env));
  const failure = failureOf(run);
  if (failure) report(failure);
}

function addRun(
  command: Command,
  meant: Meant,
  kind: 'run' | 'plan',
  around: Surroundings,
  positional: readonly string[] = [],
): void {
  const read = addInput(command, meant.input, positional, COMMON);
  command.option(
    '--input <name=value|json>',
    'A member of the input, or all of it as JSON; may be repeated.',
    (text: string, before: string[]) => [...before, text],
    [] as string[],
  );
  if (kind === 'run') {
    command
      .option('--dry-run', 'Stop after the plan.')
      .option(...WAIT)
      .option('--reason <text>', 'Why; it stands in the record.')
      .option('--plan-token <token>', 'Start the plan of a dry run, and no other.');
  }
  command.option('--idempotency-key <key>', 'Asked twice with one key, it is one run.');
  addPlace(command);
  addFormat(command);
  addServer(command);
  command.action(async () => {
    const flags = command.opts<
      Flags &
        PlaceFlags & {
          input: string[];
          dryRun?: boolean;
          wait?: boolean;
          reason?: string;
          planToken?: string;
          idempotencyKey?: string;
        }
    >();
    const server = await serverFor(flags, around);
    const given = { ...parseInputs(flags.input, meant.input), ...read(command.processedArgs, flags) };
    const { name, input } = meant.of(command, given);
    const path = `/api/v1/automations/${name}/${kind === 'plan' ? 'plan' : 'runs'}`;
    const keyed =
      flags.idempotencyKey === undefined ? server : { ...server, headers: { 'idempotency-key': flags.idempotencyKey } };
    const started = await request(keyed, 'POST', path, {
      input,
      ...(flags.dryRun ? { dryRun: true } : {}),
      ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      ...(flags.planToken === undefined ? {} : { planToken: flags.planToken }),
      ...placeOf(flags),
    });
    // A plan that nobody waits for tells nothing.
    const wait = flags.wait || kind === 'plan' || flags.dryRun;
    await showEnd(server, started.body as ReportedRun, { ...flags, wait }, around);
  });
}
