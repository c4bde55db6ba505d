import { createHash } from 'node:crypto';
import { type Actor, LOCAL_ACTOR, may, type Permission, ROLE_PERMISSIONS } from '../core/actor.ts';
import type { AuditEntry, AuditLog } from '../core/audit.ts';
import { type ErrorCode, StewardError } from '../core/errors.ts';
import type { Subject } from '../core/event.ts';
import type { Json } from '../core/json.ts';
import type { AnyOperation, Call, Download } from '../core/operation.ts';
import { withoutSecrets } from '../core/secret-input.ts';
import { parseInput } from './input.ts';

const LONGEST_INPUT = 4_000;

type AnyCommand = Extract<AnyOperation, { kind: 'command' }>;
type AnyQuery = Extract<AnyOperation, { kind: 'query' }>;

/** Errors of which a record tells already. */
const recorded = new WeakSet<object>();

/** Whether the record tells of this error, so that nobody writes it down twice. */
export function isRecorded(error: unknown): boolean {
  return typeof error === 'object' && error !== null && recorded.has(error);
}

/**
 * Performs a query or a command the way every surface must: permission, input, record, answer. The answer has passed the
 * definition's schema, so nothing leaves that the definition does not name.
 */
export async function perform(operation: AnyOperation, input: unknown, call: Call, audit: AuditLog): Promise<unknown> {
  const parsed = await admitted(operation, input, call, audit);
  if (operation.kind === 'query') return answer(operation, await operation.handle(parsed, call));

  const record = (entry: Parts): Promise<void> => audit.append({ ...beginning(operation, call), ...entry });
  const reason = reasonOf(parsed);
  const detail = { input: inBrief(withoutSecrets(operation.input, parsed)) };
  await record({ outcome: 'allowed', subject: subjectOf(operation, parsed), reason, detail });
  let before: Json | undefined;
  try {
    before = await operation.state?.(parsed, call);
    const result = answer(operation, await operation.handle(parsed, call));
    const after = await operation.state?.(parsed, call);
    await record({ outcome: 'succeeded', subject: subjectOf(operation, parsed, result), reason, before, after });
    return result;
  } catch (thrown) {
    throw await told(thrown, (error) =>
      record({ ...endOf(error), subject: subjectOf(operation, parsed), reason, before }),
    );
  }
}

/** The answer of a query as a file, for surfaces that can stream one. */
export async function performDownload(
  operation: AnyQuery & Required<Pick<AnyQuery, 'download'>>,
  input: unknown,
  call: Call,
  audit: AuditLog,
): Promise<Download> {
  return await operation.download.open(await admitted(operation, input, call, audit), call);
}

/** The input, where this actor may ask for it; every refusal is in the record. */
async function admitted(operation: AnyOperation, input: unknown, call: Call, audit: AuditLog): Promise<unknown> {
  const about = { kind: 'operation', id: operation.name };
  await assertMay(call, operation.permission, about, audit);
  if (operation.kind === 'command' && !isPersonEnough(operation, call.actor)) {
    const hint = operation.personOrMachine
      ? 'Sign in on the page of this Steward, or use the command line on its machine.'
      : 'Sign in on the page of this Steward and do it there.';
    throw await refused(call, about, 'a person must be signed in', audit, {
      message: `${operation.title} takes a person who is signed in; a token is not enough.`,
      hint,
    });
  }
  if (operation.kind === 'command' && operation.noAgents && call.actor.role === 'agent') {
    throw await refused(call, about, 'not for agents', audit, {
      message: `'${operation.title}' is not for agents.`,
      hint: 'Ask an operator or an admin.',
    });
  }
  try {
    return parseInput(operation.input, input);
  } catch (thrown) {
    if (operation.kind === 'query') throw thrown;
    throw await told(thrown, (error) =>
      audit.append({ ...beginning(operation, call), subject: about, ...endOf(error) }),
    );
  }
}

type Parts = Omit<AuditEntry, 'action' | 'actor' | 'from' | 'requestId'>;

function beginning({ name }: AnyOperation, { actor, from, requestId }: Call) {
  return { action: `command.${name}`, actor, from, requestId };
}

/** What was thrown, after it was written down. */
export async function told(thrown: unknown, write: (error: StewardError) => Promise<void>): Promise<unknown> {
  await write(StewardError.from(thrown));
  if (typeof thrown === 'object' && thrown !== null) recorded.add(thrown);
  return thrown;
}

/** Not that something broke: whoever asked was turned away. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'POLICY_REFUSED',
  'CONFIRMATION_REQUIRED',
  'INPUT_INVALID',
  'PLAN_STALE',
  'RATE_LIMITED',
  'STEWARD_PAUSED',
  'LOOP_BROKEN',
]);

/** How it ended, for the record. */
export function endOf(thrown: unknown): Pick<AuditEntry, 'outcome' | 'detail'> {
  const { code, message } = StewardError.from(thrown);
  return { outcome: REFUSALS.has(code) ? 'refused' : 'failed', detail: { code, message: message.slice(0, 1_000) } };
}

function reasonOf(input: unknown): string | undefined {
  const { reason } = input as { readonly reason?: unknown };
  return typeof reason === 'string' ? reason : undefined;
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
  const { name, role } = call.actor;
  if (ROLE_PERMISSIONS[role].includes(permission)) {
    throw await refused(call, about, 'outside of its scope', audit, {
      message: `${name} is narrowed to less than ${about.id} (${permission}).`,
      hint: 'Use a token whose scope has it: steward token create --only NAME --permissions PERMISSION.',
    });
  }
  throw await refused(call, about, `needs the permission ${permission}`, audit, {
    message: `${name} (${role}) may not do this: it needs the permission ${permission}.`,
    hint: `Roles that have it: ${rolesWith(permission).join(', ')}.`,
  });
}

/** FORBIDDEN, after it was written down. */
async function refused(
  { actor, from, requestId }: Pick<Call, 'actor' | 'from' | 'requestId'>,
  subject: Subject,
  reason: string,
  audit: AuditLog,
  { message, hint }: { readonly message: string; readonly hint: string },
): Promise<StewardError> {
  await audit.append({ action: 'access.refused', actor, subject, outcome: 'refused', from, requestId, reason });
  const error = new StewardError('FORBIDDEN', message, { hint });
  recorded.add(error);
  return error;
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
