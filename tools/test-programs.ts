// The programs that tests run for real, and the Debian packages that bring them.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';

const FOLDERS = [
  ...(process.env.PATH ?? '').split(':'),
  '/usr/sbin',
  '/sbin',
  '/usr/lib/postgresql/15/bin',
  '/usr/share/postgresql/15/extension',
];

const PACKAGES: Record<string, string> = {
  dockerd: 'docker.io',
  busybox: 'busybox-static',
  mmdebstrap: 'mmdebstrap',
  pg_ctl: 'postgresql-15',
  'hypopg.control': 'postgresql-15-hypopg',
  mariadbd: 'mariadb-server',
  'redis-server': 'redis-server',
  sshd: 'openssh-server',
  nginx: 'nginx-light',
  haproxy: 'haproxy',
  caddy: 'caddy',
  'docker-compose': 'docker-compose',
  openssl: 'openssl',
  wrk: 'wrk',
  'nats-server': 'nats-server',
  memcached: 'memcached',
  prometheus: 'prometheus',
  'prometheus-alertmanager': 'prometheus-alertmanager',
  'prometheus-node-exporter': 'prometheus-node-exporter',
  restic: 'restic',
  zstd: 'zstd',
  radosgw: 'radosgw',
  'ceph-mon': 'ceph-mon',
  'ceph-osd': 'ceph-osd',
  'ceph-authtool': 'ceph-common',
  chromium: 'chromium',
  ip: 'iproute2',
  ping: 'iputils-ping',
  iptables: 'iptables',
  ps: 'procps',
  'systemd-analyze': 'systemd',
  python3: 'python3-minimal',
  rsyslogd: 'rsyslog',
  zsh: 'zsh',
  fish: 'fish',
};

function isInstalled(program: string): boolean {
  return FOLDERS.some((folder) => {
    try {
      // An extension of a program is no program itself.
      accessSync(`${folder}/${program}`, program.endsWith('.control') ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Debian packages whose program is not on this machine. */
export function missingPackages(): string[] {
  return Object.entries(PACKAGES).flatMap(([program, name]) => (isInstalled(program) ? [] : [name]));
}

export function installCommand(packages: readonly string[]): string {
  return `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
}

/** As root on Debian only. Under a policy that keeps the packages' services from starting. */
export function install(packages: readonly string[]): void {
  if (packages.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(`STEWARD_TEST_INSTALL=1 installs as root on Debian only; missing: ${packages.join(', ')}`);
  }
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...packages]]) {
      const { status } = spawnSync('apt-get', args, {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      });
      if (status !== 0) throw new Error(`apt-get ${args[0]} ended with ${status}`);
    }
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
