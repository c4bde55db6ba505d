import { execFileSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';

/** Why there can be none here; false where there can. */
export const noNetworkNamespace: string | false =
  process.getuid?.() === 0 && ['/usr/sbin/ip', '/usr/sbin/iptables'].every((path) => existsSync(path))
    ? false
    : 'needs root, iproute2 and iptables';

/** A network of its own, with one cable to this machine. */
export interface NetworkNamespace {
  /** This machine, seen from inside. */
  readonly host: string;
  /** Goes before a command that is to run inside. */
  readonly inside: readonly string[];
  /** Packets are lost without a word, as where a switch fails. */
  cut(): void;
  mend(): void;
  remove(): void;
}

export function createNetworkNamespace(): NetworkNamespace {
  const tag = randomBytes(4).toString('hex');
  const name = `stw-${tag}`;
  const [outer, inner] = [`stwo${tag}`, `stwi${tag}`];
  const net = `10.213.${randomInt(250)}`;
  const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });
  ip('netns', 'add', name);
  ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
  ip('link', 'set', inner, 'netns', name);
  ip('addr', 'add', `${net}.1/24`, 'dev', outer);
  ip('link', 'set', outer, 'up');
  ip('netns', 'exec', name, 'ip', 'addr', 'add', `${net}.2/24`, 'dev', inner);
  ip('netns', 'exec', name, 'ip', 'link', 'set', inner, 'up');
  ip('netns', 'exec', name, 'ip', 'link', 'set', 'lo', 'up');
  const filter = (action: '-A' | '-D'): void => {
    for (const [chain, direction] of [
      ['INPUT', '-i'],
      ['OUTPUT', '-o'],
    ])
      ip('netns', 'exec', name, 'iptables', action, chain ?? '', direction ?? '', inner, '-j', 'DROP');
  };
  return {
    host: `${net}.1`,
    inside: ['ip', 'netns', 'exec', name],
    cut: () => filter('-A'),
    mend: () => filter('-D'),
    remove() {
      // The cable goes with the namespace.
      ip('netns', 'del', name);
    },
  };
}
