import { createHash, randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { credentialText, parseCredential, type PlaceCredential } from '../../edge/handlers/probe/credential.ts';
import { writeAtomically } from '../config/write-atomically.ts';
import { StewardError } from '../core/errors.ts';
import type { ServerOfPlace } from './server.ts';

/**
 * The token in the file. Where that holds an invitation, it is given for a token that is made here: its secret is on disk before it
 * is told of, so that an answer that is lost can be asked for again.
 */
export async function tokenOf(
  file: string,
  folder: string,
  server: Pick<ServerOfPlace, 'join'>,
): Promise<PlaceCredential> {
  const given = parseCredential(await contentOf(file));
  if (!given)
    throw new StewardError('INPUT_INVALID', `${file} holds no token of a place: it begins with stwi_ or stwp_.`, {
      hint: 'Put in it what steward probe invite NAME printed.',
    });
  if (given.kind === 'token') return given;
  const token = await pendingToken(join(folder, 'joining'), given);
  await server.join(credentialText(given), createHash('sha256').update(token.secret).digest('hex'));
  await writeAtomically(file, `${credentialText(token)}\n`);
  await rm(join(folder, 'joining'), { force: true });
  return token;
}

async function pendingToken(file: string, { id, key }: PlaceCredential): Promise<PlaceCredential> {
  const kept = parseCredential(await readFile(file, 'utf8').catch(() => ''));
  if (kept?.id === id && kept.key === key) return kept;
  const token: PlaceCredential = { kind: 'token', id, key, secret: randomBytes(32).toString('hex') };
  await writeAtomically(file, credentialText(token));
  return token;
}

async function contentOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new StewardError('NOT_FOUND', `The token file ${file} cannot be read: ${(cause as Error).message}`, {
      hint: 'On Steward: steward probe invite NAME',
      cause,
    });
  });
}
