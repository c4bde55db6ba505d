import { readFile } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import type { CliOptions } from './cli-options.ts';
import { request, type Server } from './client.ts';
import type { PersonFlags } from './person.ts';
import { printForApproval, type ReportedRun } from './runs.ts';
import { painter } from './terminal.ts';

type Asking = Pick<CliOptions, 'prompt' | 'stdin' | 'stderr' | 'env'>;

interface Person {
  readonly name: string;
  readonly password: string;
}

/**
 * Approves by the token at hand where that is enough. What destroys takes a person: who signs in for this one approval,
 * confirms it with the password, and is signed out again whatever became of it.
 */
export async function approve(
  server: Server,
  input: Record<string, unknown>,
  flags: PersonFlags,
  asking: Asking,
): Promise<unknown> {
  const id = encodeURIComponent(String(input['id']));
  const run = (await request(server, 'GET', `/api/v1/runs/${id}`)).body as ReportedRun;
  const path = `/api/v1/runs/${id}/approve`;
  const { planHash } = input;
  if (run.effect !== 'destructive') return (await request(server, 'POST', path, { planHash })).body;
  // Nobody is asked for a password in vain.
  if (run.status !== 'waiting-approval' || run.planHash !== planHash)
    return (await request(server, 'POST', path, { planHash })).body;

  printForApproval(run, asking.stderr, painter(asking.stderr, asking.env));
  return await asPerson(
    server,
    `Run ${run.id} destroys something: approving it`,
    flags,
    asking,
    async (session, person) => {
      return (await confirmed(session, path, { planHash, proof: { password: person.password } }, asking)).body;
    },
  );
}

/** For what no token is enough: who is there signs in for this one thing, and is signed out again whatever became of it. */
export async function asPerson<T>(
  server: Server,
  what: string,
  flags: PersonFlags,
  asking: Asking,
  work: (session: Server, person: Person) => Promise<T>,
): Promise<T> {
  const person = await whoIsThere(what, flags, asking);
  const session = await signIn(server, person, flags, asking);
  try {
    return await work(session, person);
  } finally {
    await request(session, 'POST', '/api/v1/logout').catch(() => undefined);
  }
}

async function whoIsThere(what: string, flags: PersonFlags, { prompt, stdin }: Asking): Promise<Person> {
  if (!prompt && (flags.passwordFile === undefined || flags.name === undefined))
    throw new StewardError(
      'CONFIRMATION_REQUIRED',
      `${what} takes a person's name and password, and there is no terminal to ask for them.`,
      { hint: 'Give --name NAME --password-file FILE (- for what is piped in), or do it on the page.' },
    );
  const name = flags.name ?? (await prompt?.('Name: ')) ?? '';
  const password =
    flags.passwordFile === undefined
      ? ((await prompt?.('Password: ', { hidden: true })) ?? '')
      : await passwordIn(flags.passwordFile, stdin);
  if (name === '' || password === '')
    throw new StewardError('CONFIRMATION_REQUIRED', 'Without name and password nothing is done.');
  return { name, password };
}

async function passwordIn(file: string, stdin: Asking['stdin']): Promise<string> {
  try {
    const text = file === '-' ? ((await stdin?.()) ?? '') : await readFile(file, 'utf8');
    return text.replace(/\r?\n$/, '');
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `The password file ${file} cannot be read: ${(cause as Error).message}`, {
      hint: 'Give a file that holds nothing but the password.',
      cause,
    });
  }
}

async function signIn(server: Server, person: Person, { code }: PersonFlags, { prompt }: Asking): Promise<Server> {
  const login = async (given?: string): Promise<Server> => {
    const body = { ...person, ...(given !== undefined && { code: given }) };
    const { session } = await request(server, 'POST', '/api/v1/login', body);
    return { ...server, session: session ?? '' };
  };
  try {
    return await login(code);
  } catch (thrown) {
    if (!needsCode(thrown)) throw thrown;
    if (!prompt) throw nobodyForCodes(thrown);
    return await login(await prompt('Code of your authenticator app: '));
  }
}

/** A code counts once, so the confirmation takes the next one. */
async function confirmed(
  session: Server,
  path: string,
  body: { readonly planHash: unknown; readonly proof: { readonly password: string } },
  { prompt }: Asking,
): ReturnType<typeof request> {
  try {
    return await request(session, 'POST', path, body);
  } catch (thrown) {
    if (!needsCode(thrown)) throw thrown;
    if (!prompt) throw nobodyForCodes(thrown);
    const code = await prompt('The next code of your authenticator app, to confirm: ');
    return await request(session, 'POST', path, { ...body, proof: { ...body.proof, code } });
  }
}

function nobodyForCodes(cause: unknown): StewardError {
  return new StewardError(
    'CONFIRMATION_REQUIRED',
    'With an authenticator app this takes two codes of it, one after the other, and nobody is there to give them.',
    { hint: 'Approve it in a terminal, or on the page.', cause },
  );
}

const needsCode = (thrown: unknown): boolean =>
  thrown instanceof StewardError && thrown.code === 'CONFIRMATION_REQUIRED';
