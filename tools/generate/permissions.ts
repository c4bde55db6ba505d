import { Role, ROLE_PERMISSIONS, type Permission } from '../../src/core/actor.ts';
import type { Catalog } from '../../src/core/catalog.ts';
import type { AnyOperation } from '../../src/core/operation.ts';
import { code, table } from './markdown.ts';

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly permission: Permission;
  readonly personOnly?: boolean;
  readonly noAgents?: boolean;
}

/** Who may ask for what, operation by operation. test/permissions.test.ts asks a running Steward about every cell. */
export function permissionsPage(catalog: Catalog): string {
  const permissions = [...new Set(Object.values(ROLE_PERMISSIONS).flat())];
  const roles = Object.entries(ROLE_PERMISSIONS).map(([role, has]) => [
    role,
    ...permissions.map((permission) => (has.includes(permission) ? 'yes' : '')),
  ]);
  return [
    '# Roles and permissions',
    '',
    'One model for every surface. Whether something that an actor may ask for also runs by itself is [policy](policy.md).',
    '',
    table(['role', ...permissions], roles),
    '',
    '## Who may ask for what',
    '',
    '`yes`: signed in or with a token. `session`: a person who is signed in; no token is enough. Empty: refused, and the refusal is',
    'in the audit log. Accounts of people (`create-user`, `update-user`, `reset-second-factor`) are in the hands of the command line on the',
    'machine itself as well.',
    '',
    "A token's scope takes away from this and adds nothing: `--permissions` leaves only these of its role, `--only` only the operations",
    'named, with `*` for all that begin so.',
    '',
    table(
      ['operation', 'kind', 'permission', ...Role.options],
      rowsOf(catalog).map((row) => [
        code(row.name),
        row.kind,
        row.permission,
        ...Role.options.map((role) => cell(row, role)),
      ]),
    ),
    '',
    'Asking for a run is not its approval: what destroys is approved by a person who is signed in, has the permission `destroy` and',
    'shows once more who they are, with the password or a passkey, for that plan and no other.',
  ].join('\n');
}

function cell({ permission, personOnly, noAgents }: Row, role: Role): string {
  if (!ROLE_PERMISSIONS[role].includes(permission) || (noAgents && role === 'agent')) return '';
  return personOnly ? 'session' : 'yes';
}

function rowsOf({ operations, automations }: Catalog): Row[] {
  const asked = [...operations.values()].map((operation: AnyOperation): Row => ({
    name: operation.name,
    kind: operation.kind,
    permission: operation.permission,
    ...(operation.kind === 'command' && {
      personOnly: operation.personOnly === true || operation.personOrMachine === true,
      noAgents: operation.noAgents === true,
    }),
  }));
  const runs = [...automations.values()].map(({ name, effect }): Row => ({
    name,
    kind: 'automation',
    permission: effect === 'read' ? 'read' : 'operate',
  }));
  const stream: Row = { name: 'events-stream', kind: 'stream', permission: 'read' };
  return [...asked, ...runs, stream].toSorted((one, other) => one.name.localeCompare(other.name));
}
