import type { Command } from 'commander';
import type { Catalog } from '../../core/catalog.ts';
import { ERRORS, StewardError } from '../../core/errors.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { findServer, request, type Server } from './client.ts';
import { printAnswer, rowsOf } from './print.ts';
import { exitCodeOf, failureOf, followRun, printRun, type ReportedRun } from './runs.ts';
import { painter, plain, type Terminal } from './terminal.ts';

/** A command that needs no server: serve, doctor, config validate, service install. */
export interface LocalCommand {
  /** After `steward`. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly arguments?: readonly { readonly name: string; readonly summary: string; readonly required?: boolean }[];
  readonly options?: readonly { readonly flags: string; readonly summary: string; readonly default?: string }[];
  /** What it gives back is printed like any answer; what it throws decides the exit code. */
  run(call: {
    readonly arguments: readonly (string | undefined)[];
    readonly options: Readonly<Record<string, unknown>>;
    readonly json: boolean;
  }): Promise<unknown>;
}

export interface CliOptions {
  /** Loads the definitions, and starts nothing. Asked for when a command needs it. */
  readonly catalogOf: () => Promise<Catalog>;
  /** What operations can do without a server, by the operation's name. */
  readonly offline: Readonly<Record<string, (input: Record<string, unknown>) => Promise<unknown>>>;
  readonly local: readonly LocalCommand[];
  /** STEWARD_HOME, where a running server announces itself. */
  readonly home: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}

export interface Cli {
  /** The arguments without node and script. Resolves with the exit code and never rejects. */
  run(args: readonly string[]): Promise<number>;
}

/** The command line, made from the catalog. */
export function buildCli(options: CliOptions): Cli {
  const { catalogOf, offline, local, home, version, env, stdout, stderr } = options;
  const paint = painter(stdout, env);

  async function run(args: readonly string[]): Promise<number> {
    const words = args.filter((arg) => !arg.startsWith('-'));
    let exitCode = 0;
    const done = (code: number): void => void (exitCode = code);
    try {
      const { Command, CommanderError } = await import('commander');
      const program = new Command('steward')
        .description('Runs the operations of the machines you own, and proves the outcome.')
        .version(version, '-V, --version')
        .enablePositionalOptions()
        .showHelpAfterError('(steward --help lists every command)')
        .exitOverride()
        .configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: (text) => void stderr.write(text) });
      for (const command of local) addLocal(program, command, words);
      // Serving and repairing must work even where the definitions do not load, and start faster without them.
      if (!local.some((command) => isPrefix(command.words, words))) await addCatalog(program, words, done);
      try {
        if (args.length === 0) program.outputHelp();
        else await program.parseAsync([...args], { from: 'user' });
      } catch (thrown) {
        if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : ERRORS.INPUT_INVALID.exitCode;
        throw thrown;
      }
      return exitCode;
    } catch (thrown) {
      return report(thrown, wantsJson(args));
    }
  }

  function report(thrown: unknown, json: boolean): number {
    const error = StewardError.from(thrown);
    if (json) stderr.write(`${JSON.stringify({ error: error.toBody() })}\n`);
    else {
      stderr.write(`${painter(stderr, env)('Error:', 'red')} ${plain(error.message)}\n`);
      const more = (error.problems ?? []).filter(({ message }) => !error.message.includes(message));
      for (const { path, message } of more) stderr.write(`  ${plain(path ? `${path}: ${message}` : message)}\n`);
      if (error.hint !== undefined) stderr.write(`${plain(error.hint)}\n`);
      if (error.code === 'INTERNAL' && env['STEWARD_DEBUG'] && error.cause instanceof Error)
        stderr.write(`${error.cause.stack}\n`);
    }
    return error.exitCode;
  }

  function print(answer: unknown, flags: Flags, columns?: readonly string[]): void {
    if (answer === undefined) return;
    if (isJson(flags)) {
      stdout.write(`${JSON.stringify(rowsOf(answer) ?? answer, null, stdout.isTTY ? 2 : undefined)}\n`);
    } else printAnswer(answer, columns, stdout, paint);
    const more =
      rowsOf(answer) && typeof answer === 'object' && answer !== null && 'next' in answer ? answer.next : undefined;
    if (typeof more === 'string') stderr.write(`There are more: --cursor ${plain(more)}\n`);
  }

  function addLocal(program: Command, definition: LocalCommand, words: readonly string[]): void {
    const command = leaf(program, definition.words, definition.summary);
    if (!isPrefix(definition.words, words)) return;
    for (const { name, summary, required } of definition.arguments ?? [])
      command.argument(required ? `<${name}>` : `[${name}]`, summary);
    for (const each of definition.options ?? []) command.option(each.flags, each.summary, each.default);
    addFormat(command);
    command.action(async () => {
      const flags = command.opts<Flags>();
      print(
        await definition.run({
          arguments: command.processedArgs as (string | undefined)[],
          options: flags,
          json: isJson(flags),
        }),
        flags,
      );
    });
  }

  async function addCatalog(program: Command, words: readonly string[], done: (code: number) => void): Promise<void> {
    const catalog = await catalogOf();
    for (const operation of catalog.operations.values()) {
      const path = operation.cli ?? [operation.name];
      const command = leaf(program, path, operation.summary);
      if (isPrefix(path, words)) await addOperation(command, operation);
    }
    for (const kind of ['run', 'plan'] as const) {
      const group = leaf(
        program,
        [kind],
        kind === 'run' ? 'Runs an automation.' : 'Shows what an automation would change, and changes nothing.',
      );
      for (const automation of catalog.automations.values()) {
        const command = leaf(group, [automation.name], automation.summary);
        if (words[0] === kind && words[1] === automation.name) await addRun(command, automation, kind, done);
      }
      // Without it a misspelled automation would only be called an unknown command.
      group.argument('[automation]').action(() => {
        const name = group.args[0];
        if (name === undefined) group.help();
        throw new StewardError('NOT_FOUND', `There is no automation ${name}.`, {
          hint: `There are: ${[...catalog.automations.keys()].join(', ')}.`,
        });
      });
    }
  }

  async function addOperation(command: Command, operation: AnyOperation): Promise<void> {
    const { addInput } = await import('./options.ts');
    const read = addInput(command, operation.input, operation.cliArguments, FORMAT);
    addFormat(command);
    addServer(command);
    for (const { title, input } of operation.examples ?? [])
      command.addHelpText('after', `\n${title}: ${JSON.stringify(input)}`);
    command.action(async () => {
      const flags = command.opts<Flags>();
      const input = read(command.processedArgs, flags);
      const server = await findServer(home, chosen(flags));
      print(
        server ? await ask(server, operation, input) : await withoutServer(operation, input),
        flags,
        operation.columns,
      );
    });
  }

  async function ask(server: Server, operation: AnyOperation, input: Record<string, unknown>): Promise<unknown> {
    const path = `/api/v1/${operation.name}`;
    try {
      if (operation.kind === 'command') return (await request(server, 'POST', path, input)).body;
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(input))
        for (const each of [value].flat())
          query.append(name, typeof each === 'object' ? JSON.stringify(each) : String(each));
      return (await request(server, 'GET', query.size > 0 ? `${path}?${query}` : path)).body;
    } catch (thrown) {
      // A Steward that was killed leaves its announcement behind.
      if (thrown instanceof StewardError && thrown.code === 'UNAVAILABLE' && operation.name in offline)
        return await withoutServer(operation, input);
      throw thrown;
    }
  }

  async function withoutServer(operation: AnyOperation, input: Record<string, unknown>): Promise<unknown> {
    const way = offline[operation.name];
    if (!way) throw noServer();
    const { parseInput } = await import('../input.ts');
    return await way(parseInput(operation.input, input) as Record<string, unknown>);
  }

  function noServer(): StewardError {
    return new StewardError('UNAVAILABLE', `No Steward runs from ${home}.`, {
      hint: 'Start it with npm start, or name another with --url and --token.',
    });
  }

  async function addRun(
    command: Command,
    automation: { name: string; input: AnyOperation['input'] },
    kind: 'run' | 'plan',
    done: (code: number) => void,
  ): Promise<void> {
    const { addInput, COMMON, parseInputs } = await import('./options.ts');
    const read = addInput(command, automation.input, [], COMMON);
    command.option(
      '--input <name=value|json>',
      'A member of the input, or all of it as JSON; may be repeated.',
      (text: string, before: string[]) => [...before, text],
      [] as string[],
    );
    if (kind === 'run')
      command
        .option('--dry-run', 'Stop after the plan.')
        .option('--wait', 'Follow it to its end, and exit by how it ended.')
        .option('--reason <text>', 'Why; it stands in the record.');
    addFormat(command);
    addServer(command);
    command.action(async () => {
      const flags = command.opts<Flags & { input: string[]; dryRun?: boolean; wait?: boolean; reason?: string }>();
      const server = await findServer(home, chosen(flags));
      if (!server) throw noServer();
      const input = { ...parseInputs(flags.input, automation.input), ...read([], flags) };
      const path = `/api/v1/automations/${automation.name}/${kind === 'plan' ? 'plan' : 'runs'}`;
      const { body, location } = await request(server, 'POST', path, {
        input,
        ...(flags.dryRun ? { dryRun: true } : {}),
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
      });
      let run = body as ReportedRun;
      // A plan that nobody waits for tells nothing.
      if ((flags.wait || kind === 'plan' || flags.dryRun) && location !== undefined) {
        run = await followRun(
          server,
          location,
          request,
          isJson(flags) ? { write: () => undefined } : stderr,
          painter(stderr, env),
        );
        done(exitCodeOf(run));
      }
      if (isJson(flags)) print(run, flags);
      else {
        printRun(run, stdout, paint);
        const failure = failureOf(run);
        if (failure) report(failure, false);
      }
    });
  }

  function chosen(flags: Flags) {
    return { url: flags.url ?? env['STEWARD_URL'], token: flags.token ?? env['STEWARD_TOKEN'] };
  }

  return { run };
}

// A type, not an interface: commander's options are an open record.
type Flags = {
  readonly json?: boolean;
  readonly output?: string;
  readonly url?: string;
  readonly token?: string;
};

const FORMAT = new Set(['json', 'output', 'url', 'token', 'help', 'version']);

function addFormat(command: Command): void {
  command
    .option('--json', 'Print JSON.')
    .option('--output <json|table>', 'How to print.', oneOf('--output', ['json', 'table']));
}

function addServer(command: Command): void {
  command
    .option('--url <address>', 'Another Steward than the one of this home; also STEWARD_URL.')
    .option('--token <token>', 'The token to use; better STEWARD_TOKEN, which other users cannot see.');
}

function oneOf(flag: string, values: readonly string[]) {
  return (text: string): string => {
    if (values.includes(text)) return text;
    throw new StewardError('INPUT_INVALID', `${flag} ${text}: expected ${values.join(' or ')}.`, {
      hint: `Use ${flag} ${values[0]}.`,
    });
  };
}

function isJson({ json, output }: Flags): boolean {
  return json === true || output === 'json';
}

function wantsJson(args: readonly string[]): boolean {
  return args.includes('--json') || args.includes('--output=json') || args[args.indexOf('--output') + 1] === 'json';
}

function isPrefix(words: readonly string[], of: readonly string[]): boolean {
  return words.every((word, index) => of[index] === word);
}

/** The command under these words; the ones above it are made where they are missing. */
function leaf(program: Command, words: readonly string[], summary: string): Command {
  let command = program;
  for (const [index, word] of words.entries()) {
    const known = command.commands.find((each) => each.name() === word);
    command = known ?? command.command(word);
    if (index === words.length - 1) command.description(summary);
  }
  return command;
}
