import {
  type CallToolResult,
  isInputRequiredResult,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { StewardError } from '../../core/errors.ts';
import { redact } from '../../core/redact.ts';
import type { Call } from '../../core/operation.ts';
import { assertMay, inBrief } from '../perform.ts';
import { clientOf, personOf, progressOf } from './client-side.ts';
import type { Crowd } from './crowd.ts';
import { completions } from './completions.ts';
import type { McpDeps } from './deps.ts';
import { pageOf } from './pages.ts';
import { INSTRUCTIONS } from './policy-text.ts';
import { PROMPTS, promptText } from './prompts.ts';
import { type Resources, TEMPLATES } from './resources.ts';
import type { ToolAnswer } from './tool.ts';
import type { Choice, Toolbox } from './toolbox.ts';

/** Who is on the other side of one request. */
export interface Session {
  readonly call: Omit<Call, 'now' | 'trigger'>;
  readonly choice: Choice;
  /** What the client says of itself outside of the protocol. */
  readonly userAgent?: string | undefined;
}

export interface ServerDeps extends McpDeps {
  readonly toolbox: Toolbox;
  readonly resources: Resources;
  readonly crowd: Crowd;
}

const LISTED_AT_ONCE = 100;

/** One server for one request; both eras of the protocol are served by it. */
export function createMcpServer(deps: ServerDeps, session: Session): Server {
  const { audit, now, log, toolbox, resources, crowd } = deps;
  const { choice } = session;
  const server = new Server(
    { name: 'steward', title: 'Steward', version: deps.version },
    {
      capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
      instructions: choice.readOnly
        ? `${INSTRUCTIONS}\n7. This connection only reads: plans can be looked at, not started.`
        : INSTRUCTIONS,
      cacheHints: {
        'tools/list': { ttlMs: 300_000, cacheScope: 'private' },
        'prompts/list': { ttlMs: 300_000, cacheScope: 'private' },
        'resources/list': { ttlMs: 300_000, cacheScope: 'private' },
        'resources/templates/list': { ttlMs: 300_000, cacheScope: 'private' },
        'server/discover': { ttlMs: 300_000, cacheScope: 'private' },
      },
    },
  );

  const callNow = (): Call => ({ ...session.call, trigger: 'mcp', now: now() });

  /** Every call stands in the record, with what came of it; the record fails what it cannot hold. */
  async function recorded<T>(
    action: string,
    subject: { readonly kind: string; readonly id: string },
    args: unknown,
    ctx: ServerContext,
    work: (call: Call) => Promise<T>,
    runOf: (result: T) => string | undefined = () => undefined,
  ): Promise<T> {
    const call = callNow();
    const entry = { action, actor: call.actor, subject, from: call.from, requestId: call.requestId };
    const client = clientOf(server, ctx);
    const name = client ? `${client.name} ${client.version}` : (session.userAgent ?? 'unknown');
    const detail = { client: name.slice(0, 200), arguments: redact(inBrief(args)) };
    try {
      const result = await work(call);
      const runId = runOf(result);
      await audit.append({
        ...entry,
        outcome: 'succeeded',
        detail: { ...detail, ...(runId !== undefined && { runId }) },
      });
      return result;
    } catch (thrown) {
      const { code, message, cause } = StewardError.from(thrown);
      if (code === 'INTERNAL')
        log.error('MCP call failed by a bug', {
          requestId: call.requestId,
          subject: subject.id,
          reason: message,
          stack: cause instanceof Error ? cause.stack : undefined,
        });
      const outcome = code === 'FORBIDDEN' || code === 'POLICY_REFUSED' ? 'refused' : 'failed';
      await audit.append({ ...entry, outcome, detail: { ...detail, code } });
      throw thrown;
    }
  }

  server.setRequestHandler('tools/list', ({ params }) => {
    const { items, nextCursor } = pageOf(toolbox.list(choice, session.call.actor), params?.cursor, LISTED_AT_ONCE);
    return { tools: items, ...(nextCursor !== undefined && { nextCursor }) };
  });

  server.setRequestHandler('tools/call', async ({ params }, ctx) => {
    const { name, arguments: args = {} } = params;
    const subject = { kind: 'tool', id: name.slice(0, 100) };
    try {
      const answer = await recorded(
        'mcp.tool-called',
        subject,
        args,
        ctx,
        (call) =>
          crowd.pass(call.actor.id, async () => {
            const { permission, about, handle } = toolbox.find(name, choice);
            if (about !== undefined) await assertMay(call, permission, { kind: 'operation', id: about }, audit);
            return await handle(args, {
              call,
              readOnly: choice.readOnly,
              signal: ctx.mcpReq.signal,
              progress: progressOf(ctx),
              person: choice.readOnly ? undefined : personOf(server, ctx),
            });
          }),
        (result) => (isInputRequiredResult(result) ? undefined : result.runId),
      );
      return isInputRequiredResult(answer) ? answer : server.projectCallToolResult(resultOf(answer), undefined);
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (error.code === 'NOT_FOUND' && error.message.startsWith('There is no tool '))
        throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${error.message} ${error.hint}`);
      return failureOf(error);
    }
  });

  server.setRequestHandler('resources/list', ({ params }) => {
    const { items, nextCursor } = pageOf(resources.list, params?.cursor, LISTED_AT_ONCE);
    return { resources: items, ...(nextCursor !== undefined && { nextCursor }) };
  });

  server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [...TEMPLATES] }));

  server.setRequestHandler('resources/read', async ({ params: { uri } }, ctx) => {
    try {
      const subject = { kind: 'resource', id: uri.slice(0, 300) };
      const text = await recorded('mcp.resource-read', subject, {}, ctx, (call) => resources.read(uri, call));
      return { contents: [{ uri, ...text }] };
    } catch (thrown) {
      const error = StewardError.from(thrown);
      throw error.code === 'NOT_FOUND' ? new ResourceNotFoundError(uri) : asProtocolError(error);
    }
  });

  server.setRequestHandler('prompts/list', ({ params }) => {
    const { items, nextCursor } = pageOf(PROMPTS, params?.cursor, LISTED_AT_ONCE);
    return { prompts: items, ...(nextCursor !== undefined && { nextCursor }) };
  });

  server.setRequestHandler('prompts/get', ({ params: { name, arguments: given = {} } }) => {
    try {
      const { description, text } = promptText(name, given);
      return { description, messages: [{ role: 'user', content: { type: 'text', text } }] };
    } catch (thrown) {
      throw asProtocolError(StewardError.from(thrown));
    }
  });

  server.setRequestHandler('completion/complete', async ({ params: { argument } }) => {
    const values = await completions(deps, argument, callNow());
    return { completion: { values: values.slice(0, 100), total: values.length, hasMore: values.length > 100 } };
  });

  return server;
}

function resultOf({ structured, links = [] }: ToolAnswer): CallToolResult {
  return {
    // Clients from before structured content read the text.
    content: [
      { type: 'text', text: JSON.stringify(structured) },
      ...links.map((link) => ({ type: 'resource_link' as const, mimeType: 'application/json', ...link })),
    ],
    structuredContent: { ...structured },
  };
}

function failureOf(error: StewardError): CallToolResult {
  const body =
    error.code === 'INTERNAL'
      ? { code: error.code, message: 'Something inside Steward failed; this is a bug.', hint: 'Its log tells more.' }
      : error.toBody();
  return { isError: true, content: [{ type: 'text', text: JSON.stringify({ error: body }) }] };
}

function asProtocolError(error: StewardError): ProtocolError {
  if (error.code === 'INTERNAL')
    return new ProtocolError(ProtocolErrorCode.InternalError, 'Something inside Steward failed.');
  const message = [error.message, error.hint].filter(Boolean).join(' ');
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message, { code: error.code });
}
