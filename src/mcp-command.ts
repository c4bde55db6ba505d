import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Environment } from './config/environment.ts';
import { runningServer } from './config/home.ts';
import { StewardError } from './core/errors.ts';
import { serveMcpOnStdio } from './surfaces/mcp/stdio.ts';
import type { Upstream } from './surfaces/mcp/upstream.ts';
import { version } from './version.ts';

export interface McpOptions {
  readonly toolsets?: string | undefined;
  readonly readOnly: boolean;
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/** Serves one assistant over stdio by the Steward that runs from this home, or by another that was named. */
export async function serveMcp(environment: Environment, options: McpOptions): Promise<void> {
  const { toolsets, readOnly, stdin, stdout } = options;
  const query = new URLSearchParams({
    ...(toolsets !== undefined && { toolsets }),
    ...(readOnly && { readonly: '1' }),
  });
  await serveMcpOnStdio({
    version,
    stdin,
    stdout,
    async upstream() {
      const { url, token } = await serverOf(environment, options);
      return { url: `${url}/mcp${query.size > 0 ? `?${query}` : ''}`, token };
    },
  });
}

async function serverOf(environment: Environment, { url, token }: McpOptions): Promise<Upstream> {
  const named = url ?? environment.url;
  const given = token ?? environment.token;
  if (named !== undefined) {
    if (!/^https?:\/\/[^/]/.test(named))
      throw new StewardError('INPUT_INVALID', `'${named}' is no address of a Steward.`, {
        hint: 'Expected something like http://127.0.0.1:3000.',
      });
    if (given === undefined)
      throw new StewardError('UNAUTHENTICATED', `There is no token for ${named}.`, {
        hint: 'Set STEWARD_TOKEN; steward token create --role agent makes one.',
      });
    return { url: named.replace(/\/+$/, ''), token: given };
  }
  const { home } = environment;
  const running = await runningServer(home);
  if (!running)
    throw new StewardError('UNAVAILABLE', `No Steward runs from ${home}.`, {
      hint: 'Start it with npm start, or name another with --url and STEWARD_TOKEN.',
    });
  return { url: running.url.replace(/\/+$/, ''), token: given ?? (await agentToken(join(home, 'agent-token'))) };
}

async function agentToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new StewardError('FORBIDDEN', `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}).`, {
      hint: 'Use the system user who runs Steward, or set STEWARD_TOKEN.',
      cause,
    });
  }
}
