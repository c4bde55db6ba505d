import type { Me } from '../../session/session.tsx';

export type Role = Me['role'];

/** Who may what, in one line each. */
export const ROLES: readonly { readonly value: Role; readonly label: string }[] = [
  { value: 'viewer', label: 'viewer: looks' },
  { value: 'operator', label: 'operator: runs what can be taken back, approves' },
  { value: 'admin', label: 'admin: everything' },
  { value: 'auditor', label: 'auditor: reads the record' },
  { value: 'agent', label: 'agent: an AI that proposes' },
];
