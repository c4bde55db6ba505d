import { randomBytes } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../core/errors.ts';
import { writeAtomically } from './write-atomically.ts';

/** Made once, kept in the home: the same machine stays the same node. */
export async function nodeId(home: string): Promise<string> {
  return (await kept(join(home, 'node-id'), () => `node_${randomBytes(10).toString('hex')}`)).trim();
}

/** Each node has its own, and with it its own chain of the audit log. */
export async function auditKey(home: string): Promise<Buffer> {
  return Buffer.from((await kept(join(home, 'audit.key'), () => randomBytes(32).toString('hex'))).trim(), 'hex');
}

const VAULT = 'vault.key';

/** Without it what was sealed cannot be opened again, so it is never made anew over one that is merely damaged. */
export async function vaultKey(home: string): Promise<Buffer> {
  const file = join(home, VAULT);
  const key = Buffer.from((await kept(file, () => randomBytes(32).toString('hex'))).trim(), 'hex');
  if (key.length === 32) return key;
  throw new StewardError('HOME_UNUSABLE', `${file} holds no key: 64 hexadecimal digits were expected.`, {
    hint: 'Put it back from a backup. Or remove it: a new one is made, and bare processes have to be started by hand once before Steward can start them again.',
  });
}

/** The nodes of one store open what any of them sealed. The key that was here before is kept beside. */
export async function takeVaultKey(home: string, key: string): Promise<void> {
  const file = join(home, VAULT);
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (before?.trim() === key) return;
  if (before !== undefined) await rename(file, `${file}.before-join`);
  await writeAtomically(file, `${key}\n`);
}

async function kept(file: string, make: () => string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    const text = make();
    await writeAtomically(file, `${text}\n`);
    return text;
  }
}
