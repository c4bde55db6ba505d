import { resolve } from 'node:path';
import { StewardError } from './core/errors.ts';
import type { Instead } from './surfaces/cli/cli-options.ts';
import { version } from './version.ts';

/** `steward probe --server`: this machine as one more place from which services are looked at. Needs no Steward here. */
export function placeCommand(): Instead {
  return {
    when: 'server',
    options: [
      { flags: '--server <address>', summary: 'Be a place of the Steward at this address, until stopped.' },
      { flags: '--token-file <file>', summary: 'With --server: the file with what steward probe invite printed.' },
      {
        flags: '--folder <folder>',
        summary: 'With --server: where what cannot be sent yet is kept; by default beside the token file.',
      },
    ],
    async run(options) {
      const given = options['tokenFile'];
      if (typeof given !== 'string')
        throw new StewardError('INPUT_INVALID', 'A place needs the file with its token.', {
          hint: 'Add --token-file FILE; on Steward, steward probe invite NAME makes what belongs in it.',
        });
      const [{ runPlace }, { createLog }] = await Promise.all([
        import('./place/index.ts'),
        import('./adapters/log/index.ts'),
      ]);
      const stop = new AbortController();
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
      const tokenFile = resolve(given);
      await runPlace({
        server: String(options['server']),
        tokenFile,
        folder: typeof options['folder'] === 'string' ? resolve(options['folder']) : `${tokenFile}.d`,
        software: `steward/${version}`,
        log: createLog({
          level: 'info',
          human: process.stdout.isTTY,
          write: (line) => void process.stdout.write(line),
        }),
        signal: stop.signal,
      });
      return undefined;
    },
  };
}
