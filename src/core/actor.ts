import { z } from 'zod';

/** What a person, a token or a part of Steward may do; one model for every surface. */
export const Role = z.enum(['viewer', 'operator', 'admin', 'auditor', 'agent']);
export type Role = z.output<typeof Role>;

export const Permission = z.enum(['read', 'operate', 'destroy', 'administer', 'audit']);
export type Permission = z.output<typeof Permission>;

/** Which permissions a role has. The permission matrix of the docs and its test are made from this table. */
export const ROLE_PERMISSIONS: Record<Role, readonly Permission[]> = {
  viewer: ['read'],
  operator: ['read', 'operate'],
  admin: ['read', 'operate', 'destroy', 'administer', 'audit'],
  auditor: ['read', 'audit'],
  // An agent may ask for anything an operator may; policy turns most of it into proposals.
  agent: ['read', 'operate'],
};

export const Trigger = z.enum(['schedule', 'event', 'webhook', 'api', 'cli', 'mcp', 'dashboard', 'healing', 'scaling']);
export type Trigger = z.output<typeof Trigger>;

/** What a token is narrowed to, beyond its role. A member that is left out narrows nothing. */
export const Scope = z.object({
  permissions: z.array(Permission).min(1).optional().describe('Only these of the permissions of its role.'),
  operations: z
    .array(z.string().min(1).max(100))
    .min(1)
    .max(100)
    .optional()
    .describe('Only these automations, queries and commands; backup-* stands for all that begin so.'),
});
export type Scope = z.output<typeof Scope>;

/** Who asks: a person's session, a token, or a system of Steward itself. */
export const Actor = z.object({
  kind: z.enum(['user', 'token', 'system']),
  id: z.string(),
  name: z.string(),
  role: Role,
  /** A bearer credential can never approve what destroys; a session of a person can. */
  session: z.string().optional().describe('The session, where a person signed in.'),
  onBehalfOf: z.string().optional(),
  scope: Scope.optional(),
});
export type Actor = z.output<typeof Actor>;

/** The CLI on the machine of Steward itself, by the file that only the owner of its home can read. */
export const LOCAL_ACTOR = 'token:local';

/** A part of Steward acting by itself: healing, a schedule, discovery. */
export function systemActor(name: string): Actor {
  return { kind: 'system', id: `system:${name}`, name, role: 'operator' };
}

/** Whether the role has the permission and the scope, where there is one, leaves it and the operation. */
export function may(
  { role, scope }: Pick<Actor, 'role' | 'scope'>,
  permission: Permission,
  operation?: string,
): boolean {
  if (!ROLE_PERMISSIONS[role].includes(permission)) return false;
  if (scope?.permissions && !scope.permissions.includes(permission)) return false;
  return operation === undefined || inScope(scope, operation);
}

/** The permissions that are left of the role. */
export function permissionsOf({ role, scope }: Pick<Actor, 'role' | 'scope'>): Permission[] {
  return ROLE_PERMISSIONS[role].filter((permission) => scope?.permissions?.includes(permission) ?? true);
}

export function inScope(scope: Scope | undefined, operation: string): boolean {
  if (!scope?.operations) return true;
  return scope.operations.some((name) =>
    name.endsWith('*') ? operation.startsWith(name.slice(0, -1)) : name === operation,
  );
}
