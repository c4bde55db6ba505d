import type { Evidence } from '../../core/resource.ts';
import type { AppName, Recognition } from '../../core/recognizer.ts';
import { INTERPRETERS, PRODUCTS, type ProductRule } from './rules.ts';

/** All that was seen of one service, before anyone says what it is. */
export interface Clues {
  /** The process that owns the sockets; undefined where this user may not see it. */
  readonly process: { readonly executable: string; readonly argv: readonly string[] } | undefined;
  readonly app: AppName | undefined;
  readonly unit: string | undefined;
  readonly container: { readonly image: string; readonly name: string } | undefined;
  readonly recognitions: readonly { readonly port: number; readonly recognition: Recognition }[];
  readonly programVersion: string | undefined;
}

/** How much a kind of evidence is worth for a product. Self-description is the cheapest to forge. */
export type Strength = 'process' | 'handshake' | 'image' | 'unit' | 'self' | 'endpoint';

export interface Claim {
  readonly product: string;
  readonly strength: Strength;
  readonly weight: number;
  readonly version: string | undefined;
  readonly evidence: Evidence;
}

export type Runner =
  | { readonly kind: 'native'; readonly rule: ProductRule }
  | { readonly kind: 'interpreter'; readonly product: string; readonly header: RegExp }
  | { readonly kind: 'other'; readonly file: string }
  | { readonly kind: 'unseen' };

export function fileOf(executable: string): string {
  return (
    executable
      .replace(/ \(deleted\)$/, '')
      .split('/')
      .at(-1) ?? ''
  ).toLowerCase();
}

/** What really runs: the executable on disk, never argv[0]. */
export function runnerOf(process: Clues['process']): Runner {
  if (!process || process.executable === '') return { kind: 'unseen' };
  const file = fileOf(process.executable);
  const rule = PRODUCTS.find((candidate) => candidate.executable?.test(file));
  if (rule) return { kind: 'native', rule };
  const interpreter = INTERPRETERS.find((candidate) => candidate.executable.test(file));
  return interpreter
    ? { kind: 'interpreter', product: interpreter.product, header: interpreter.header }
    : { kind: 'other', file };
}

const SYSTEM_PATH = /^\/(usr|opt|bin|sbin|lib|snap|nix)\//;
const HANDSHAKE: Readonly<Record<string, number>> = {
  postgresql: 0.85,
  mysql: 0.85,
  redis: 0.85,
  nats: 0.85,
  memcached: 0.8,
  mcp: 0.85,
  ssh: 0.7,
  smtp: 0.5,
};

/** Every statement that the clues make about a product. */
export function claimsOf(clues: Clues): Claim[] {
  return [
    ...fromProcess(clues),
    ...fromContainer(clues),
    ...fromUnit(clues),
    ...clues.recognitions.flatMap(({ port, recognition }) => fromPort(port, recognition)),
  ];
}

function fromProcess({ process, programVersion }: Clues): Claim[] {
  if (!process) return [];
  const runner = runnerOf(process);
  if (runner.kind === 'native') {
    const weight = SYSTEM_PATH.test(process.executable) ? 0.8 : 0.7;
    const version =
      programVersion ??
      /\/(?:postgresql|mariadb|mysql|redis|pg|node)[/-]?v?(\d+(?:\.\d+)*)(?:\/|-)/.exec(process.executable)?.[1];
    return [
      claim(
        runner.rule.product,
        'process',
        weight,
        { source: 'process', detail: `runs ${process.executable}` },
        version,
      ),
    ];
  }
  const line = process.argv.join(' ').toLowerCase();
  const rule = runner.kind === 'interpreter' ? PRODUCTS.find((candidate) => candidate.argv?.test(line)) : undefined;
  return rule
    ? [
        claim(rule.product, 'process', 0.7, {
          source: 'process',
          detail: `${fileOf(process.executable)} runs it, by its arguments`,
        }),
      ]
    : [];
}

function fromContainer({ container }: Clues): Claim[] {
  if (!container) return [];
  const { repository, tag } = parseImage(container.image);
  const rule = PRODUCTS.find((candidate) => candidate.image?.test(repository));
  return rule
    ? [
        claim(
          rule.product,
          'image',
          0.75,
          { source: 'container', detail: `image ${container.image}` },
          /^v?(\d[\w.]*)/.exec(tag)?.[1],
        ),
      ]
    : [];
}

/** `registry:5000/library/redis:7.2@sha256:..` -> redis, 7.2 */
export function parseImage(image: string): { repository: string; tag: string } {
  const last = (image.split('@')[0] ?? '').split('/').at(-1) ?? '';
  const [repository = '', tag = ''] = last.toLowerCase().split(':');
  return { repository, tag };
}

function fromUnit({ unit }: Clues): Claim[] {
  const rule = unit && PRODUCTS.find((candidate) => candidate.unit?.test(unit.toLowerCase()));
  return rule ? [claim(rule.product, 'unit', 0.25, { source: 'systemd', detail: `unit ${unit}` })] : [];
}

function fromPort(port: number, { sightings }: Recognition): Claim[] {
  return sightings.flatMap((sighting): Claim[] => {
    const detail = `port ${port}: ${sighting.detail}`;
    if (sighting.source === 'handshake') {
      return sighting.product
        ? [
            claim(
              sighting.product,
              'handshake',
              HANDSHAKE[sighting.protocol] ?? 0.6,
              { source: 'handshake', detail },
              sighting.version,
            ),
          ]
        : [];
    }
    if (sighting.product) {
      const endpoint = sighting.source === 'http';
      return [
        claim(
          sighting.product,
          endpoint ? 'endpoint' : 'self',
          endpoint ? 0.5 : 0.4,
          { source: sighting.source, detail },
          sighting.version,
        ),
      ];
    }
    if (sighting.source === 'banner') return [];
    return PRODUCTS.flatMap((rule): Claim[] => {
      const version = describesItself(rule, sighting.fields);
      return version === undefined
        ? []
        : [claim(rule.product, 'self', 0.4, { source: 'http', detail }, version || undefined)];
    });
  });
}

/** The version, an empty text where it names none, undefined where this is not its self-description. */
function describesItself(rule: ProductRule, fields: Readonly<Record<string, string>>): string | undefined {
  for (const [name, pattern] of rule.headers ?? []) {
    const match = pattern.exec((fields[`header.${name}`] ?? '').toLowerCase());
    if (match) return match[1] ?? '';
  }
  if (rule.title && fields.title && rule.title.test(fields.title.toLowerCase())) return '';
  return rule.body && fields.body && rule.body.test(fields.body.toLowerCase()) ? '' : undefined;
}

function claim(
  product: string,
  strength: Strength,
  weight: number,
  evidence: Omit<Evidence, 'weight'>,
  version?: string,
): Claim {
  return { product, strength, weight, version, evidence: { ...evidence, weight } };
}
