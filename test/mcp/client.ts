import { resolve } from 'node:path';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

/** The revisions of the protocol that clients speak, by what they are called here. */
export const ERAS = {
  '2025-11-25': { versionNegotiation: { mode: 'legacy' }, supportedProtocolVersions: ['2025-11-25'] },
  '2026-07-28': { versionNegotiation: { mode: { pin: '2026-07-28' } } },
} as const satisfies Record<string, ClientOptions>;
export type Era = keyof typeof ERAS;

const LAUNCHER = resolve(import.meta.dirname, '../../bin/steward.js');
const INFO = { name: 'test-client', version: '1.2.3' };

/** A real client over Streamable HTTP. */
export async function overHttp(
  url: string,
  token: string,
  era: Era,
  options: ClientOptions = {},
  handler?: (client: Client) => void,
): Promise<Client> {
  const client = new Client(INFO, { ...ERAS[era], ...options });
  handler?.(client);
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers: { authorization: `Bearer ${token}` } } }),
  );
  return client;
}

/** A real client that starts `steward mcp` itself, as assistants do. */
export async function overStdio(
  home: string,
  era: Era,
  {
    env = {},
    options = {},
    handler,
  }: { env?: Record<string, string>; options?: ClientOptions; handler?: (client: Client) => void } = {},
): Promise<Client> {
  const { PATH = '' } = process.env;
  const client = new Client(INFO, { ...ERAS[era], ...options });
  handler?.(client);
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [LAUNCHER, 'mcp'],
      env: { PATH, HOME: home, STEWARD_HOME: home, ...env },
      cwd: '/',
    }),
  );
  return client;
}

/** What a tool answered; an error of the tool is thrown. */
export async function call<T = Record<string, unknown>>(client: Client, name: string, args: object = {}): Promise<T> {
  const result = await client.callTool({ name, arguments: { ...args } });
  if (result.isError) throw new Error(textOf(result));
  return result.structuredContent as T;
}

/** The error that a tool answered with. */
export async function refusal(
  client: Client,
  name: string,
  args: object = {},
): Promise<{ code: string; message: string }> {
  const result = await client.callTool({ name, arguments: { ...args } });
  if (!result.isError) throw new Error(`${name} was not refused: ${textOf(result)}`);
  return (JSON.parse(textOf(result)) as { error: { code: string; message: string } }).error;
}

function textOf(result: { content?: unknown }): string {
  const [first] = result.content as { text?: string }[];
  return first?.text ?? '';
}
