import type { Command } from 'commander';
import { ERRORS, StewardError } from '../../core/errors.ts';
import type { CliOptions, LocalCommand } from './cli-options.ts';
import { addFormat, type Flags, isJson, isPrefix, leaf, nameGroups, wantsJson } from './command-tree.ts';
import { printAnswer, rowsOf } from './print.ts';
import { painter, plain } from './terminal.ts';

export type { LocalCommand } from './cli-options.ts';

export interface Cli {
  /** The arguments without node and script. Resolves with the exit code and never rejects. */
  run(args: readonly string[]): Promise<number>;
}

/** The command line, made from the catalog. */
export function buildCli(options: CliOptions): Cli {
  const { local, version, env, stdout, stderr } = options;
  const paint = painter(stdout, env);

  /** For the shell, which asks with every press of the key: one line a candidate, and never an error. */
  async function completeFor(typed: readonly string[]): Promise<number> {
    try {
      const [{ Command }, { complete }, { addCatalogCommands }] = await Promise.all([
        import('commander'),
        import('./complete.ts'),
        import('./catalog-commands.ts'),
      ]);
      const program = new Command('steward').version(version, '-V, --version');
      const words = typed.filter((word) => !word.startsWith('-'));
      for (const command of local) addLocal(program, command, words);
      const nothing = (): void => undefined;
      const around = { ...options, args: ['--help'], words, print: nothing, report: nothing, exitWith: nothing };
      await addCatalogCommands(program, around);
      nameGroups(program);
      for (const { word, about } of await complete(program, typed, options)) stdout.write(`${word}\t${plain(about)}\n`);
    } catch {
      // Nothing to offer.
    }
    return 0;
  }

  async function run(args: readonly string[]): Promise<number> {
    if (args[0] === 'complete' && args[1] === '--') return await completeFor(args.slice(2));
    const words = args.filter((arg) => !arg.startsWith('-'));
    let exitCode = 0;
    try {
      const { Command, CommanderError } = await import('commander');
      const program = new Command('steward')
        .description('Runs the operations of the machines you own, and proves the outcome.')
        .version(version, '-V, --version')
        .enablePositionalOptions()
        .showHelpAfterError('(steward --help lists every command)')
        .exitOverride()
        .configureOutput({
          writeOut: (text) => void stdout.write(text),
          writeErr: (text) => void (wantsJson(args) || stderr.write(text)),
        });
      for (const command of local) addLocal(program, command, words);
      // Serving and repairing must work even where the definitions do not load, and start faster without them.
      if (!local.some((command) => isPrefix(command.words, words))) {
        const { addCatalogCommands } = await import('./catalog-commands.ts');
        await addCatalogCommands(program, {
          ...options,
          args,
          words,
          print,
          report: (thrown) => report(thrown, false),
          exitWith: (code) => void (exitCode = code),
        });
      }
      nameGroups(program);
      try {
        if (args.length === 0) program.outputHelp();
        else await program.parseAsync([...args], { from: 'user' });
      } catch (thrown) {
        if (!(thrown instanceof CommanderError)) throw thrown;
        if (thrown.exitCode === 0) return 0;
        if (!wantsJson(args)) return ERRORS.INPUT_INVALID.exitCode;
        const message = thrown.message.replace(/^error: /, '');
        return report(
          new StewardError('INPUT_INVALID', message, { hint: 'steward --help lists every command.' }),
          true,
        );
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

  return { run };
}
