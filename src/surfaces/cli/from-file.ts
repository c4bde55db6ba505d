import { createReadStream } from 'node:fs';
import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';
import type { CommandDescription } from '../manifest.ts';
import type { CliOptions } from './cli-options.ts';

const STDIN = '-';

/** The one member that can come from a file instead of the command line. */
export function addFile(command: Command, { file }: CommandDescription): void {
  if (file !== undefined) command.option('--file <file>', `Where --${file} is read from; - is what is piped in.`);
}

export async function withFile(
  input: Record<string, unknown>,
  { file }: Readonly<Record<string, unknown>>,
  { file: member, input: schema }: CommandDescription,
  stdin: CliOptions['stdin'],
): Promise<Record<string, unknown>> {
  if (member === undefined || typeof file !== 'string') return input;
  if (input[member] !== undefined)
    throw new StewardError('INPUT_INVALID', `--${member} and --file are both given.`, {
      hint: 'Leave one of them out.',
    });
  const { maxLength: most = Infinity } = schema.properties?.[member] ?? {};
  const text = file === STDIN ? ((await stdin?.()) ?? '') : await textIn(file, Number(most));
  if (text.length > Number(most)) throw tooLong(file, Number(most));
  return { ...input, [member]: text };
}

/** No more than it takes to know that it is too long: a device has no end. */
async function textIn(path: string, most: number): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  try {
    for await (const chunk of createReadStream(path)) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (text.length > most) throw tooLong(path, most);
    }
    return text + decoder.decode();
  } catch (thrown) {
    if (thrown instanceof StewardError) throw thrown;
    const why = thrown instanceof TypeError ? 'it is not text in UTF-8' : (thrown as Error).message;
    throw new StewardError('INPUT_INVALID', `--file ${path} cannot be read: ${why}`, {
      hint: 'Give a file with the text, or - and pipe it in.',
      cause: thrown,
    });
  }
}

function tooLong(path: string, most: number): StewardError {
  const what = path === STDIN ? 'What is piped in' : `--file ${path}`;
  return new StewardError('INPUT_INVALID', `${what} is longer than ${most} characters.`, {
    hint: 'Give a shorter one.',
  });
}
