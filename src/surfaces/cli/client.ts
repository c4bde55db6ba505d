import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import { exchange, isOk, reasonOf, textOf } from './exchange.ts';

export interface Server {
  readonly url: string;
  readonly token: string;
  /** Of a person who signed in; it stands in the place of the token. */
  readonly session?: string | undefined;
  /** Sent along with what is asked. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly body: unknown;
  readonly location: string | undefined;
  /** Where somebody signed in. */
  readonly session?: string | undefined;
}

export type Request = (
  server: Server,
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  signal?: AbortSignal,
) => Promise<Answer>;

const ANSWER_WITHIN_MS = 65_000;
const SESSION = 'steward_session';

export interface ServerChoice {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

/**
 * The server that was asked for, or the one that runs from this home; undefined where none does. The credential of this
 * machine is sent to the address of this home only.
 */
export async function findServer(home: string, choice: ServerChoice): Promise<Server | undefined> {
  if (choice.url !== undefined) {
    if (!/^https?:\/\/[^/]/.test(choice.url)) {
      throw new StewardError('INPUT_INVALID', `'${choice.url}' is no address of a Steward.`, {
        hint: 'Expected something like http://127.0.0.1:3000.',
      });
    }
    if (choice.token !== undefined) return { url: choice.url.replace(/\/+$/, ''), token: choice.token };
    throw new StewardError('UNAUTHENTICATED', `There is no token for ${choice.url}.`, {
      hint: 'Give --token, or set STEWARD_TOKEN.',
    });
  }
  const announced = await readOwn(join(home, 'server.json'));
  if (announced === undefined) return undefined;
  const url = urlOf(announced);
  if (url === undefined) return undefined;
  const token = choice.token ?? (await readOwn(join(home, 'cli-token')))?.trim();
  return token ? { url, token } : undefined;
}

async function readOwn(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new StewardError('FORBIDDEN', `${file} cannot be read (${code}).`, {
      hint: 'Use the system user who runs Steward, or give --url and --token.',
      cause,
    });
  }
}

function urlOf(announced: string): string | undefined {
  try {
    const { url } = JSON.parse(announced) as { url?: unknown };
    return typeof url === 'string' ? url.replace(/\/+$/, '') : undefined;
  } catch {
    return undefined;
  }
}

export const request: Request = async (server, method, path, body, signal) => {
  const timeout = AbortSignal.timeout(ANSWER_WITHIN_MS);
  let response: IncomingMessage;
  let text: string;
  try {
    response = await exchange(`${server.url}${path}`, {
      method,
      headers: {
        ...credentialOf(server),
        accept: 'application/json',
        'x-steward-surface': 'cli',
        ...server.headers,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    text = await textOf(response);
  } catch (cause) {
    if (timeout.aborted)
      throw new StewardError('TIMEOUT', `${server.url} did not answer within ${ANSWER_WITHIN_MS / 1_000} s.`, {
        hint: 'See steward doctor.',
        cause,
      });
    if (signal?.aborted) throw cause;
    throw new StewardError('UNAVAILABLE', `Nothing answers at ${server.url} (${reasonOf(cause)}).`, {
      hint: 'Start it with npm start, or see steward doctor.',
      cause,
    });
  }
  const parsed = parseJson(text);
  if (isOk(response) && (parsed !== undefined || text === ''))
    return { body: parsed, location: response.headers.location, session: sessionIn(response) };
  throw await failureOf(server, response.statusCode, text);
};

/** A session counts only where the page of this Steward itself could have sent the request. */
function credentialOf({ url, token, session }: Server): Record<string, string> {
  if (session === undefined) return { authorization: `Bearer ${token}` };
  return { cookie: `${SESSION}=${session}`, origin: new URL(url).origin };
}

function sessionIn({ headers }: IncomingMessage): string | undefined {
  const pair = headers['set-cookie']?.find((cookie) => cookie.startsWith(`${SESSION}=`));
  return pair?.slice(SESSION.length + 1).split(';', 1)[0] || undefined;
}

/** The answer piece by piece, as long as pieces arrive. */
export async function* stream(server: Server, path: string): AsyncGenerator<string> {
  const stalled = new AbortController();
  let timer = setTimeout(() => stalled.abort(), ANSWER_WITHIN_MS);
  try {
    const response = await exchange(`${server.url}${path}`, {
      headers: { authorization: `Bearer ${server.token}`, 'x-steward-surface': 'cli', ...server.headers },
      signal: stalled.signal,
    });
    if (!isOk(response)) throw await failureOf(server, response.statusCode, await textOf(response));
    for await (const chunk of response) {
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(), ANSWER_WITHIN_MS);
      yield String(chunk);
    }
  } catch (cause) {
    if (cause instanceof StewardError) throw cause;
    if (stalled.signal.aborted)
      throw new StewardError('TIMEOUT', `${server.url} sent nothing for ${ANSWER_WITHIN_MS / 1_000} s.`, {
        hint: 'See steward doctor.',
        cause,
      });
    throw new StewardError('UNAVAILABLE', `${server.url} broke off: ${(cause as Error).message}.`, {
      hint: 'Try it again; see steward doctor.',
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** What a server that does not do what it was asked for says. */
export async function failureOf(server: Server, status: number | undefined, text: string): Promise<StewardError> {
  const { ErrorBody } = await import('../../core/error-body.ts');
  const parsed = parseJson(text);
  const error = ErrorBody.safeParse((parsed as { error?: unknown } | undefined)?.error);
  if (error.success)
    return new StewardError(error.data.code, error.data.message, {
      hint: error.data.hint,
      problems: error.data.problems,
    });
  return new StewardError(
    'UNAVAILABLE',
    `${server.url} answered ${status} and is no Steward, or something stands in front of it.`,
    { hint: 'Check the address.' },
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
