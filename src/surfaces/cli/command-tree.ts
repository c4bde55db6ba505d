import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';

// A type, not an interface: commander's options are an open record.
export type Flags = {
  readonly json?: boolean;
  readonly output?: string;
  readonly url?: string;
  readonly token?: string;
};

/** Options of every command; a member of an input that is called so gives way. */
export const FORMAT = new Set(['json', 'output', 'url', 'token', 'help', 'version']);

export function addFormat(command: Command): void {
  command
    .option('--json', 'Print JSON.')
    .option('--output <json|table>', 'How to print.', oneOf('--output', ['json', 'table']));
}

export function addServer(command: Command): void {
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

export function isJson({ json, output }: Flags): boolean {
  return json === true || output === 'json';
}

export function wantsJson(args: readonly string[]): boolean {
  return args.includes('--json') || args.includes('--output=json') || args[args.indexOf('--output') + 1] === 'json';
}

export function isPrefix(words: readonly string[], of: readonly string[]): boolean {
  return words.every((word, index) => of[index] === word);
}

/** The command under these words; the ones above it are made where they are missing. */
export function leaf(program: Command, words: readonly string[], summary: string): Command {
  let command = program;
  for (const [index, word] of words.entries()) {
    const known = command.commands.find((each) => each.name() === word);
    command = known ?? command.command(word);
    if (index === words.length - 1) command.description(summary);
  }
  return command;
}

/** Commands that only hold others say which. */
export function nameGroups(program: Command): void {
  for (const command of program.commands) {
    if (command.description() === '')
      command.description(`Commands: ${command.commands.map((each) => each.name()).join(', ')}.`);
    nameGroups(command);
  }
}
