import type { CheckTarget } from './check.ts';

/** How a check target is named in a sentence. */
export function describeTarget(target: CheckTarget): string {
  switch (target.kind) {
    case 'http':
      return target.url;
    case 'systemd':
      return `unit ${target.unit}`;
    case 'container':
      return `container ${target.container}`;
    case 'process':
      return `process ${target.argvContains ?? target.executable ?? target.pid ?? ''}`.trim();
    case 'tcp':
    case 'postgres':
    case 'mysql':
    case 'redis':
    case 'smtp':
      return `${target.kind} ${bracketed(target.host)}:${target.port}`;
    case 'tls':
      return `tls ${target.file ?? `${bracketed(target.host)}:${target.port}`}`;
    case 'dns':
      return `dns ${target.type} ${target.name}${target.server === undefined ? '' : ` at ${bracketed(target.server)}:${target.port}`}`;
    case 'icmp':
      return `ping ${target.host}`;
    case 'models':
      return `models at ${target.url}`;
    case 'processes':
      return `processes ${target.members.map(({ name }) => name).join(', ')}`;
    case 'disk':
    case 'inodes':
      return `${target.kind} ${target.path ?? 'of every disk'}`;
    case 'file':
    case 'log':
    case 'sqlite':
      return `${target.kind} ${target.path}`;
    case 'memory':
    case 'load':
      return target.kind;
    case 'push':
      return `heartbeat ${target.heartbeat}`;
    case 'group':
      return `group ${target.group}`;
  }
}

/** What a check is about: two about the same thing are one too many. */
export function subject(target: CheckTarget): string {
  switch (target.kind) {
    case 'http': {
      const { hostname, port, protocol } = new URL(target.url);
      return `${local(hostname)}:${port || (protocol === 'https:' ? 443 : 80)}`;
    }
    case 'models':
      return `models ${target.url}`;
    case 'tcp':
    case 'postgres':
    case 'mysql':
    case 'redis':
    case 'smtp':
      return `${local(target.host)}:${target.port}`;
    case 'tls':
      return `tls ${target.file ?? `${local(target.host)}:${target.port}`}`;
    case 'dns':
      return `dns ${local(target.server ?? '')}:${target.port}`;
    case 'icmp':
      return `icmp ${local(target.host)}`;
    case 'disk':
    case 'inodes':
      return `${target.kind} ${target.path ?? ''}`;
    case 'file':
    case 'log':
    case 'sqlite':
      return `${target.kind} ${target.path}`;
    case 'process':
    case 'processes':
      return 'process';
    case 'systemd':
    case 'container':
    case 'memory':
    case 'load':
    case 'push':
    case 'group':
      return target.kind;
  }
}

/** The one address that a check talks to, where there is one. */
export function addressOf(target: CheckTarget): { host: string; port: number } | undefined {
  if ('url' in target) {
    const { hostname, port, protocol } = new URL(target.url);
    return { host: hostname, port: Number(port) || (protocol === 'https:' ? 443 : 80) };
  }
  if ('file' in target && target.file !== undefined) return undefined;
  return 'host' in target && 'port' in target ? { host: target.host, port: target.port } : undefined;
}

function local(host: string): string {
  return ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host) ? 'loopback' : host;
}

export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
