// The certificate of a listener: two files, that somebody renews while it serves.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../core/errors.ts';

export interface TlsFiles {
  /** The certificate chain, in PEM. */
  readonly cert: string;
  /** The private key, in PEM. */
  readonly key: string;
}

/** What a server is made of, and gets anew. */
export interface Pair extends SecureContextOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Between two files that are renewed one after the other. */
const SOON_MS = 1_000;

/** The two as they are now; one that does not fit the other is refused here, and not when somebody comes. */
export async function readPair(files: TlsFiles, setting: string): Promise<Pair> {
  const [cert, key] = await Promise.all([contentOf(files.cert, setting), contentOf(files.key, setting)]);
  const certificate = of(files.cert, 'certificate', setting, () => new X509Certificate(cert));
  const secret = of(files.key, 'private key', setting, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(secret))
    throw refused(setting, `the key in ${files.key} is not that of the certificate in ${files.cert}`);
  const pair: Pair = { cert, key, minVersion: 'TLSv1.2' };
  of(files.cert, 'certificate chain', setting, () => createSecureContext(pair));
  return pair;
}

/** Whoever renews them writes one after the other: what does not fit now may fit in a moment. */
export async function readPairAgain(files: TlsFiles, setting: string): Promise<Pair> {
  return await readPair(files, setting).catch(async () => {
    await sleep(SOON_MS);
    return await readPair(files, setting);
  });
}

async function contentOf(file: string, setting: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (thrown) {
    throw refused(setting, `${file} cannot be read: ${(thrown as Error).message}`, thrown);
  }
}

function of<T>(file: string, what: string, setting: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw refused(setting, `${file} has no ${what} in PEM that can be used: ${(thrown as Error).message}`, thrown);
  }
}

function refused(setting: string, why: string, cause?: unknown): StewardError {
  return new StewardError('PRECONDITION_FAILED', `${setting}: ${why}.`, {
    hint: `What was served before goes on, if anything was. Give ${setting}.cert the chain and ${setting}.key the key that belongs to it, both readable by Steward.`,
    cause,
  });
}
