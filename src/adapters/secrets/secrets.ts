import { lstat, open, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type SecretReference, type SecretResolver, SecretTaken } from '../../core/secrets.ts';

export interface SecretSources {
  /** Looks up an environment variable. */
  readonly variable: (name: string) => string | undefined;
  /** Where systemd put the credentials of the unit: $CREDENTIALS_DIRECTORY. */
  readonly credentialsDirectory?: string | undefined;
  readonly log: Log;
}

const LARGEST_BYTES = 65_536;

/** Secrets of the environment, of files, and of systemd. Looked up at each use, so a rotated one is used at once. */
export function createSecretResolver({ variable, credentialsDirectory, log }: SecretSources): SecretResolver {
  const warned = new Set<string>();

  /** Which folder each file was read in last. */
  const folders = new Map<string, string | undefined>();

  async function wasTaken(path: string): Promise<boolean> {
    const folder = folders.get(path);
    if (folder === undefined || folder !== (await folderOf(path))) return false;
    // A link that leads nowhere may lead to what is not mounted.
    return await lstat(path).then(
      () => false,
      ({ code }: NodeJS.ErrnoException) => code === 'ENOENT',
    );
  }

  async function fromFile(path: string, reference: SecretReference): Promise<string> {
    let handle;
    try {
      handle = await open(path, 'r');
      const stats = await handle.stat();
      if (!stats.isFile()) throw missing(reference, `${path} is not a file`);
      if (stats.size > LARGEST_BYTES)
        throw missing(reference, `${path} has ${stats.size} bytes, more than a secret has`);
      if ((stats.mode & 0o077) !== 0 && 'file' in reference && !warned.has(path)) {
        warned.add(path);
        log.warn('secret can be read by others', {
          file: path,
          mode: (stats.mode & 0o777).toString(8),
          expected: '600',
        });
      }
      const text = await handle.readFile('utf8');
      folders.set(path, await folderOf(path));
      return text;
    } catch (thrown) {
      if (thrown instanceof StewardError) throw thrown;
      if (await wasTaken(path)) throw missing(reference, `${path} was taken away`, new SecretTaken());
      throw missing(reference, `${path}: ${(thrown as NodeJS.ErrnoException).code ?? 'unreadable'}`, thrown);
    } finally {
      await handle?.close();
    }
  }

  async function look(reference: SecretReference): Promise<string> {
    if ('env' in reference) {
      const value = variable(reference.env);
      if (value === undefined) throw missing(reference, 'the variable is not set');
      return value;
    }
    if ('file' in reference) {
      if (!isAbsolute(reference.file)) throw missing(reference, 'the path is not absolute');
      return await fromFile(reference.file, reference);
    }
    if (credentialsDirectory === undefined) throw missing(reference, 'systemd gave this process no credentials');
    if (!/^[\w.@-]+$/.test(reference.credential) || /^\.+$/.test(reference.credential)) {
      throw missing(reference, 'a credential has a plain name');
    }
    return await fromFile(join(credentialsDirectory, reference.credential), reference);
  }

  return async (reference) => {
    // Editors and `echo` end a file with a line break that belongs to no secret.
    const value = (await look(reference)).replace(/\r?\n$/, '');
    if (value === '') throw missing(reference, 'it is empty');
    return value;
  };
}

/** Which one it is: another file system in its place is another one. */
async function folderOf(path: string): Promise<string | undefined> {
  return await stat(dirname(path), { bigint: true }).then(
    ({ dev, ino }) => `${dev} ${ino}`,
    () => undefined,
  );
}

function missing(reference: SecretReference, why: string, cause?: unknown): StewardError {
  const [kind, name] = Object.entries(reference)[0] ?? ['', ''];
  return new StewardError('NOT_FOUND', `The secret {${kind}: ${name}} cannot be read: ${why}.`, {
    hint: HINTS[kind as keyof typeof HINTS],
    cause,
  });
}

const HINTS = {
  env: 'Set the variable where Steward is started, then start it again.',
  file: 'Create the file, readable for the user that runs Steward and nobody else.',
  credential: 'Add LoadCredential= with this name to the unit of Steward.',
};
