import { ADDRESS_EXPECTED, CHECK_LABEL, checkAt, EVERY_LABEL } from '../../core/check-address.ts';
import { addressOf, bracketed } from '../../core/describe-target.ts';
import { ms, parseDuration } from '../../core/duration.ts';
import { GROUP_LABEL, LABEL_PROBLEMS } from '../../core/group.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import { redactText } from '../../core/redact.ts';

/** What a container says of itself to Steward. */
export interface LabelWish {
  readonly name?: string | undefined;
  readonly critical: boolean;
  /** As the inventory keeps them: addresses as they can be called from here, and what is wrong with the rest. */
  readonly labels: Readonly<Record<string, string>>;
}

export interface LabelledContainer {
  readonly container: Pick<ContainerInfo, 'name' | 'labels' | 'networks' | 'ports' | 'state'>;
  /** Where what it listens on can be reached from here. */
  readonly reachable: readonly { readonly address: string; readonly port: number }[];
}

export interface LabelTrust {
  /** Its labels may have Steward call others than itself. */
  readonly trusted: boolean;
  /** Names of the groups of steward.yaml. */
  readonly groups: ReadonlySet<string>;
}

export const DEPENDS_LABEL = 'steward.depends-on';
const PREFIX = 'steward.';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9 ._/-]{0,62}$/;
const CHECK_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}$/;
const MOST_CHECKS = 20;
const MOST_PROBLEMS = 10;
const SHORTEST_MS = 1_000;
const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

/** Reads the labels that begin with `steward.`. No value is repeated in a problem: it may be a secret. */
export function readLabels(seen: LabelledContainer, { trusted, groups }: LabelTrust): LabelWish {
  const { container } = seen;
  const labels: Record<string, string> = {};
  const problems: string[] = [];
  let name: string | undefined;
  let critical = false;
  let checks = 0;
  const mine = Object.entries(container.labels)
    .filter(([label]) => label.startsWith(PREFIX))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));

  for (const [label, text] of mine) {
    const refuse = (expected: string): void =>
      void problems.push(`${redactText(label).slice(0, 80)} of container ${container.name}: ${expected}`);
    const value = text.trim();
    if (label === 'steward.ignore') {
      if (value !== 'true' && value !== 'false') refuse('expected true or false');
    } else if (label === 'steward.name') {
      if (NAME.test(value)) name = value;
      else refuse('expected a name of letters, digits, spaces and . _ / -, at most 63');
    } else if (label === 'steward.critical') {
      critical = value === 'true';
      if (value !== 'true' && value !== 'false') refuse('expected true or false');
    } else if (label === EVERY_LABEL) {
      const length = parseDuration(value);
      if (length !== undefined && length >= SHORTEST_MS && length <= ms('1d')) labels[label] = value;
      else refuse('expected a duration such as 30s, between 1s and 1d');
    } else if (label === GROUP_LABEL) {
      const wanted = listOf(value);
      const unknown = wanted.find((each) => !groups.has(each));
      if (wanted.length === 0 || unknown !== undefined)
        refuse('expected names of groups of steward.yaml, with commas between');
      const joined = wanted.filter((each) => groups.has(each));
      if (joined.length > 0) labels[label] = joined.join(',');
    } else if (label === DEPENDS_LABEL) {
      const needed = listOf(value);
      if (needed.length > 0 && needed.every((each) => NAME.test(each))) labels[label] = needed.join(',');
      else refuse('expected names of services, with commas between');
    } else if (label.startsWith(CHECK_LABEL)) {
      if (!CHECK_NAME.test(label.slice(CHECK_LABEL.length)))
        refuse('expected a name of letters, digits, - and _ after steward.check.');
      else if (checks >= MOST_CHECKS) refuse(`expected at most ${MOST_CHECKS} checks`);
      else {
        const read = addressFor(value, seen, trusted);
        if ('expected' in read) refuse(read.expected);
        else if (read.address !== undefined) labels[label] = read.address;
        checks += 1;
      }
    } else {
      refuse('Steward knows no such label; expected name, critical, every, group, depends-on, ignore or check.NAME');
    }
  }
  if (problems.length > 0) {
    const more = problems.length - MOST_PROBLEMS;
    labels[LABEL_PROBLEMS] = [...problems.slice(0, MOST_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])].join(
      '\n',
    );
  }
  return { name, critical, labels };
}

/** The address as it can be called from here. Without one where the container does not run: it has none then. */
function addressFor(
  text: string,
  { container, reachable }: LabelledContainer,
  trusted: boolean,
): { address: string | undefined } | { expected: string } {
  const target = checkAt(text);
  const asked = target && addressOf(target);
  if (!asked) return { expected: `${ADDRESS_EXPECTED}, without a password (checks with one belong in steward.yaml)` };
  const host = asked.host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const isSelf =
    LOOPBACK.has(host) ||
    host === container.name.toLowerCase() ||
    container.networks.some(({ address }) => address !== '' && address === host);
  if (!isSelf)
    return trusted
      ? { address: text }
      : {
          expected:
            'expected the container itself, as in tcp://localhost:PORT; other hosts only with discovery.trustLabels: true',
        };
  if (container.state !== 'running') return { address: undefined };
  const own = ownAddress(asked.port, container, reachable);
  if (!own)
    return {
      expected: `the container neither listens on port ${asked.port} here, nor publishes it, nor has an address`,
    };
  const url = new URL(text);
  // A scheme that the standard does not list keeps its host as it was where it is set, so the text is made anew.
  const user = url.username === '' ? '' : `${url.username}@`;
  return { address: `${url.protocol}//${user}${bracketed(own.host)}:${own.port}${url.pathname}${url.search}` };
}

/** Published ports first: the container's own address is another one after a restart. */
function ownAddress(
  port: number,
  { ports, networks }: LabelledContainer['container'],
  reachable: LabelledContainer['reachable'],
): { host: string; port: number } | undefined {
  const tcp = ports.filter(({ protocol }) => protocol === 'tcp');
  const published =
    tcp.find(({ container, host }) => container === port && host !== undefined)?.host ??
    (tcp.some(({ container }) => container === port) ? undefined : tcp.find(({ host }) => host === port)?.host);
  if (published !== undefined) {
    const bound = reachable.find((each) => each.port === published)?.address ?? '127.0.0.1';
    return { host: callable(bound), port: published };
  }
  const address = networks.find((network) => network.address !== '')?.address;
  if (address !== undefined) return { host: address, port };
  const listening = reachable.find((each) => each.port === port);
  return listening && { host: callable(listening.address), port };
}

function callable(address: string): string {
  if (address === '' || address === '*' || address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
