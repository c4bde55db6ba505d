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

/** Who asks: a person's session, a token, or a system of Steward itself. */
export const Actor = z.object({
  kind: z.enum(['user', 'token', 'system']),
  id: z.string(),
  name: z.string(),
  role: Role,
  /** A bearer credential can never approve what destroys; a session of a person can. */
  session: z.string().optional().describe('The session, where a person signed in.'),
  onBehalfOf: z.string().optional(),
});
export type Actor = z.output<typeof Actor>;

/** A part of Steward acting by itself: healing, a schedule, discovery. */
export function systemActor(name: string): Actor {
  return { kind: 'system', id: `system:${name}`, name, role: 'operator' };
}

export function may(actor: Actor, permission: Permission): boolean {
  return ROLE_PERMISSIONS[actor.role].includes(permission);
}
