export interface UnitSettings {
  /** Absolute path of the Node that runs Steward. */
  readonly node: string;
  /** Absolute path of bin/steward.js. */
  readonly launcher: string;
  readonly home: string;
  readonly scope: 'system' | 'user';
  readonly config?: string | undefined;
}

/**
 * The unit that keeps Steward running. What it still may do is what its automations need: restart units, signal
 * processes of other users, quarantine files below /tmp. Memory stays executable, because V8 compiles at run time.
 */
export function unitText({ node, launcher, home, scope, config }: UnitSettings): string {
  const system = scope === 'system';
  return [
    '[Unit]',
    'Description=Steward runs the operations of this machine',
    ...(system ? ['After=network-online.target docker.service', 'Wants=network-online.target'] : []),
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    `ExecStart=${quoted(node)} ${quoted(launcher)} serve`,
    `Environment=${quoted(`STEWARD_HOME=${home}`)}`,
    ...(config === undefined ? [] : [`Environment=${quoted(`STEWARD_CONFIG=${config}`)}`]),
    'Restart=always',
    'RestartSec=2',
    '# The bundled PostgreSQL is stopped by Steward itself, then whatever is left of the control group.',
    'KillMode=mixed',
    'TimeoutStopSec=60',
    'UMask=0077',
    'NoNewPrivileges=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'SystemCallArchitectures=native',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK',
    ...(system
      ? [
          'OOMScoreAdjust=-200',
          'ProtectSystem=full',
          'ProtectKernelTunables=yes',
          'ProtectKernelModules=yes',
          'ProtectKernelLogs=yes',
          'ProtectControlGroups=yes',
          'ProtectClock=yes',
          'ProtectHostname=yes',
          'PrivateMounts=yes',
        ]
      : []),
    '',
    '[Install]',
    `WantedBy=${system ? 'multi-user.target' : 'default.target'}`,
    '',
  ].join('\n');
}

/** systemd splits at spaces, expands % and $, and reads C escapes inside double quotes. */
function quoted(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /[\s"'\\]/.test(text) ? `"${escaped}"` : escaped;
}
