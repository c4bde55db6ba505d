import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';
import { type Server, stream } from './client.ts';
import type { Terminal } from './terminal.ts';

/** The one option that says where a file goes; how it is printed is no question. */
export function addOutput(command: Command): void {
  command.option(
    '--output <file>',
    'Where to write it; by default standard output. The file is there when all of it is.',
  );
}

/** Writes the answer while it arrives, however long it is. */
export async function download(
  server: Server,
  path: string,
  output: string | undefined,
  out: Terminal,
): Promise<{ readonly file: string; readonly bytes: number } | undefined> {
  if (output === undefined) {
    for await (const chunk of stream(server, path)) out.write(chunk);
    return undefined;
  }
  const partial = `${output}.part`;
  const file = createWriteStream(partial, { mode: 0o600 });
  let bytes = 0;
  try {
    await once(file, 'open');
    for await (const chunk of stream(server, path)) {
      bytes += Buffer.byteLength(chunk);
      if (!file.write(chunk)) await once(file, 'drain');
    }
    file.end();
    await finished(file);
    await rename(partial, output);
  } catch (thrown) {
    file.destroy();
    await rm(partial, { force: true });
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (thrown instanceof StewardError || code === undefined) throw thrown;
    throw new StewardError('PRECONDITION_FAILED', `${output} cannot be written: ${message}`, {
      hint: 'Give another --output.',
      cause: thrown,
    });
  }
  return { file: output, bytes };
}
