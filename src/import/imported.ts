import type { ConfigInput } from '../config/schema.ts';

type List<Key extends keyof ConfigInput> = NonNullable<ConfigInput[Key]>;
export type ServiceInput = List<'services'>[number];
export type CheckInput = NonNullable<ServiceInput['checks']>[number];
export type JobInput = NonNullable<List<'heartbeats'>['jobs']>[number];
export type WindowInput = List<'maintenance'>[number];
export type ChannelInput = NonNullable<List<'alerts'>['channels']>[number];

/** What became of one thing of the other program. */
export interface Outcome {
  readonly what: string;
  readonly kind: string;
  readonly outcome: 'taken' | 'changed' | 'left out';
  /** What is different now, or why it cannot be watched. */
  readonly note: string;
}

/** A secret that stood in the file of the other program, and where Steward looks for it instead. */
export interface SecretToSet {
  readonly variable: string;
  readonly what: string;
}

/** What a file of another program says, in the words of steward.yaml. */
export interface Imported {
  readonly services: ServiceInput[];
  readonly jobs: JobInput[];
  readonly maintenance: WindowInput[];
  readonly channels: ChannelInput[];
  readonly outcomes: Outcome[];
  readonly secrets: SecretToSet[];
}

/** Collects what is found; names are made unique, and secrets become references. */
export function createCollector() {
  const imported: Imported = { services: [], jobs: [], maintenance: [], channels: [], outcomes: [], secrets: [] };
  const taken = new Set<string>();

  function nameOf(wanted: string, longest = 100): string {
    const base = wanted.trim().slice(0, longest - 5) || 'unnamed';
    let name = base;
    for (let count = 2; taken.has(name); count += 1) name = `${base} (${count})`;
    taken.add(name);
    return name;
  }

  return {
    imported,
    nameOf,
    /** Of letters, digits, dots, - and _ only, as a heartbeat needs it. */
    slugOf(wanted: string): string {
      const base =
        wanted
          .trim()
          .replaceAll(/[^a-zA-Z0-9._-]+/g, '-')
          .replaceAll(/^[-._]+|[-._]+$/g, '')
          .slice(0, 58) || 'job';
      let name = base;
      for (let count = 2; taken.has(name); count += 1) name = `${base}-${count}`;
      taken.add(name);
      return name;
    },
    secret(owner: string, part: string, what: string): { env: string } {
      const variable = `STEWARD_${owner}_${part}`
        .toUpperCase()
        .replaceAll(/[^A-Z0-9]+/g, '_')
        .replaceAll(/_+$/g, '');
      if (!imported.secrets.some((each) => each.variable === variable)) imported.secrets.push({ variable, what });
      return { env: variable };
    },
    tell(what: string, kind: string, notes: readonly string[]): void {
      imported.outcomes.push({ what, kind, outcome: notes.length > 0 ? 'changed' : 'taken', note: notes.join('; ') });
    },
    leaveOut(what: string, kind: string, why: string): void {
      imported.outcomes.push({ what, kind, outcome: 'left out', note: why });
    },
  };
}
export type Collector = ReturnType<typeof createCollector>;

/** Seconds as Steward writes a length of time, within what it accepts. */
export function seconds(value: number, atLeast = 1, atMost = 86_400): string {
  return `${Math.min(Math.max(Math.round(value * 1_000) / 1_000, atLeast), atMost)}s`;
}

const SECRET_HEADER = /authorization|token|api-?key|secret|cookie|password/i;

/** Headers with what looks like a credential as a reference. */
export function headersOf(headers: Readonly<Record<string, unknown>>, owner: string, collector: Collector) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      SECRET_HEADER.test(name) ? collector.secret(owner, name, `header ${name} of ${owner}`) : String(value),
    ]),
  );
}

/** An address without the user and the password in it; those belong into a header. */
export function withoutCredentials(url: string): { url: string; credentials: boolean } {
  const parsed = new URL(url);
  const credentials = parsed.username !== '' || parsed.password !== '';
  parsed.username = '';
  parsed.password = '';
  return { url: parsed.href, credentials };
}

/** `a.b[0]` as the JSONPath of RFC 9535; undefined where it is more than a path. */
export function plainJsonPath(text: string): string | undefined {
  const path = text.trim().replace(/^\$\.?/, '');
  if (path === '') return '$';
  if (
    !/^[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*|\[\d+\])*$/.test(path) &&
    !/^\[\d+\](\.[A-Za-z_][\w-]*|\[\d+\])*$/.test(path)
  )
    return undefined;
  const steps = [...path.matchAll(/([A-Za-z_][\w-]*)|\[(\d+)\]/g)];
  return `$${steps.map(([, name, index]) => (index === undefined ? `['${name}']` : `[${index}]`)).join('')}`;
}

/** A value as JSON would have it: 3 and true are no texts. */
export function jsonValue(text: string): string | number | boolean | null {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  } catch {
    // A text, then.
  }
  return text.replace(/^"(.*)"$/, '$1');
}
