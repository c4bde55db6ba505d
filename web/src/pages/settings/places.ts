import type { Permission } from '../../session/session.tsx';

export interface SettingsPlace {
  readonly to: string;
  readonly label: string;
  readonly needs: Permission;
}

export const SETTINGS: readonly SettingsPlace[] = [
  { to: '/settings/account', label: 'Your account', needs: 'read' },
  { to: '/settings/users', label: 'Users', needs: 'administer' },
  { to: '/settings/tokens', label: 'Tokens', needs: 'operate' },
  { to: '/settings/channels', label: 'Channels', needs: 'read' },
  { to: '/settings/nodes', label: 'Nodes', needs: 'read' },
  { to: '/settings/policy', label: 'Policy', needs: 'read' },
  { to: '/settings/configuration', label: 'Configuration', needs: 'read' },
];
