import { createHash } from 'node:crypto';
import { type Actor, LOCAL_ACTOR, may, type Permission, ROLE_PERMISSIONS } from '../core/actor.ts';
import type { AuditEntry, AuditLog } from '../core/audit.ts';
import { StewardError } from '../core/errors.ts';
import type { Subject } from '../core/event.ts';
import type { Json } from '../core/json.ts';
import type { AnyOperation, Call } from '../core/operation.ts';
import { parseInput } from './input.ts';

const LONGEST_INPUT = 4_000;

type AnyCommand = Extract<AnyOperation, { kind: 'command' }>;

/**
 * Performs a query or a command the way every surface must: permission, input, record, answer. The answer has passed the
 * definition's schema, so nothing leaves that the definition does not name.
 */
export async function perform(operation: AnyOperation, input: unknown, call: Call, audit: AuditLog): Promise<unknown> {
  const about = { kind: 'operation', id: operation.name };
  await assertMay(call, operation.permission, about, audit);
  if (operation.kind === 'command' && !isPersonEnough(operation, call.actor)) {
    await refused(call, about, 'a person must be signed in', audit);
    throw new StewardError('FORBIDDEN', `${operation.title} takes a person who is signed in; a token is not enough.`, {
      hint: operation.personOrMachine
        ? 'Sign in on the page of this Steward, or use the command line on its machine.'
        : 'Sign in on the page of this Steward and do it there.',
    });
  }
  if (operation.kind === 'command' && operation.noAgents && call.actor.role === 'agent') {
    await refused(call, about, 'not for agents', audit);
    throw new StewardError('FORBIDDEN', `${operation.title} is not for agents.`, {
      hint: 'Ask an operator or an admin.',
    });
  }
  const parsed: unknown = parseInput(operation.input, input);
  if (operation.kind === 'query') return answer(operation, await operation.handle(parsed, call));

  const action = `command.${operation.name}`;
  const record = (entry: Pick<AuditEntry, 'outcome' | 'subject' | 'detail'>): Promise<void> =>
    audit.append({ action, actor: call.actor, from: call.from, requestId: call.requestId, ...entry });
  const detail = { input: inBrief(withoutProof(parsed)) };
  await record({ outcome: 'allowed', subject: subjectOf(operation, parsed), detail });
  try {
    const result = answer(operation, await operation.handle(parsed, call));
    await record({ outcome: 'succeeded', subject: subjectOf(operation, parsed, result) });
    return result;
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    await record({ outcome: 'failed', subject: subjectOf(operation, parsed), detail: { code, message } });
    throw thrown;
  }
}

function isPersonEnough({ personOnly, personOrMachine }: AnyCommand, { session, id }: Actor): boolean {
  if (session !== undefined) return true;
  return !personOnly && (!personOrMachine || id === LOCAL_ACTOR);
}

/** FORBIDDEN, and a record of it, where the actor's role does not have the permission. */
export async function assertMay(
  call: Pick<Call, 'actor' | 'from' | 'requestId'>,
  permission: Permission,
  about: Subject,
  audit: AuditLog,
): Promise<void> {
  if (may(call.actor, permission, about.id)) return;
  if (ROLE_PERMISSIONS[call.actor.role].includes(permission)) {
    await refused(call, about, 'outside of its scope', audit);
    throw new StewardError('FORBIDDEN', `${call.actor.name} is narrowed to less than ${about.id} (${permission}).`, {
      hint: 'Use a token whose scope has it: steward token create --only NAME --permissions PERMISSION.',
    });
  }
  await refused(call, about, `needs the permission ${permission}`, audit);
  throw new StewardError(
    'FORBIDDEN',
    `${call.actor.name} (${call.actor.role}) may not do this: it needs the permission ${permission}.`,
    {
      hint: `Roles that have it: ${rolesWith(permission).join(', ')}.`,
    },
  );
}

function refused(
  { actor, from, requestId }: Pick<Call, 'actor' | 'from' | 'requestId'>,
  subject: Subject,
  reason: string,
  audit: AuditLog,
): Promise<void> {
  return audit.append({ action: 'access.refused', actor, subject, outcome: 'refused', from, requestId, reason });
}

function rolesWith(permission: Permission): string[] {
  return Object.entries(ROLE_PERMISSIONS)
    .filter(([, permissions]) => permissions.includes(permission))
    .map(([role]) => role);
}

function answer(operation: AnyOperation, result: unknown): unknown {
  const parsed = operation.output.safeParse(result);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new StewardError(
    'INTERNAL',
    `The answer of ${operation.name} is not what it defines: ${issue?.path.map(String).join('.')}: ${issue?.message}`,
    { cause: parsed.error },
  );
}

/** `acknowledge-incident` is about an incident: the one its input names, or the one that came of it. */
function subjectOf(operation: AnyOperation, input: unknown, result?: unknown): Subject {
  const kind = operation.name.split('-').slice(1).join('-');
  const id = [result, input]
    .map(
      (value) =>
        (value as { id?: unknown; name?: unknown } | undefined)?.id ?? (value as { name?: unknown } | undefined)?.name,
    )
    .find((value) => typeof value === 'string');
  return kind && typeof id === 'string' ? { kind, id } : { kind: 'operation', id: operation.name };
}

/** How a person showed who they are is nobody else's to read, not even once it is used up. */
function withoutProof(input: unknown): unknown {
  const { proof: _proof, ...rest } = input as Record<string, unknown>;
  return rest;
}

/** The record only grows, so it keeps no more of an input than tells it from others. */
export function inBrief(input: unknown): Json {
  const json = asJson(input);
  const text = JSON.stringify(json);
  if (text.length <= LONGEST_INPUT) return json;
  return {
    beginning: text.slice(0, LONGEST_INPUT / 4),
    characters: text.length,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}

export function asJson(value: unknown): Json {
  return (value === undefined ? null : JSON.parse(JSON.stringify(value))) as Json;
}
