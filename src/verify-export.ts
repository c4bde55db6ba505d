import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Environment } from './config/environment.ts';
import { StewardError } from './core/errors.ts';
import type { Instead } from './surfaces/cli/cli-options.ts';

/** `steward audit verify --file`: an export, wherever it was brought to, by the key of the node that wrote it. */
export function verifyExport({ home }: Environment): Instead {
  return {
    when: 'file',
    options: [
      { flags: '--file <file>', summary: 'Verify an export (JSONL) instead; needs no running Steward.' },
      {
        flags: '--key <file>',
        summary: 'With --file: the audit.key of the node that wrote it; by default that of this home.',
      },
    ],
    async run(options) {
      const [{ verifyFile }, { intactOrThrow }] = await Promise.all([
        import('./systems/audit/verify-file.ts'),
        import('./systems/audit/operations.ts'),
      ]);
      const keyFile = resolve(text(options['key']) ?? join(home, 'audit.key'));
      return intactOrThrow(await verifyFile(resolve(text(options['file']) ?? ''), await keyIn(keyFile)));
    },
  };
}

async function keyIn(file: string): Promise<Buffer> {
  const written = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new StewardError('NOT_FOUND', `The key ${file} cannot be read: ${(cause as Error).message}`, {
      hint: 'Give another with --key.',
      cause,
    });
  });
  const key = Buffer.from(written.trim(), 'hex');
  if (key.length === 32) return key;
  throw new StewardError('INPUT_INVALID', `${file} holds no key: 64 hexadecimal digits were expected.`, {
    hint: 'It is the file audit.key in the home of the node that wrote the export.',
  });
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
