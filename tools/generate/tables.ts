import { ERRORS } from '../../src/core/errors.ts';
import { EVENTS } from '../../src/core/event.ts';
import { DEFAULT_POLICY } from '../../src/core/policy.ts';
import { code, table } from './markdown.ts';

export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([name, { status, exitCode, retryable }]) => [
    code(name),
    String(status),
    String(exitCode),
    retryable ? 'yes' : 'no',
  ]);
  return [
    '# Errors',
    '',
    'An error has a permanent code, a message that says what happened, with the values, and often a hint that says what to do next.',
    '',
    table(['code', 'HTTP status', 'exit code', 'may get better by itself'], rows),
  ].join('\n');
}

export function eventsPage(): string {
  return [
    '# Events',
    '',
    'Each is a row, written in the transaction of the state change it tells of.',
    '',
    table(
      ['event', 'when'],
      Object.entries(EVENTS).map(([name, when]) => [code(name), when]),
    ),
  ].join('\n');
}

export function policyPage(): string {
  const any = (value: unknown): string => (value === undefined ? 'any' : [value].flat().join(', '));
  const rows = DEFAULT_POLICY.map(({ id, automation, effect, trigger, role, reversible, decision, why }) => [
    id,
    any(automation),
    any(effect),
    any(trigger),
    any(role),
    reversible === undefined ? '' : reversible ? 'reversible' : 'not reversible',
    `**${decision}**`,
    why,
  ]);
  return [
    '# Policy',
    '',
    'What may happen by itself. The first row that matches decides; rows of `policy` in steward.yaml stand before these. `auto` runs, `propose` waits for a',
    'person with its plan, `observe` refuses.',
    '',
    table(['rule', 'automation', 'effect', 'trigger', 'role', 'plan', 'decision', 'why'], rows),
  ].join('\n');
}
