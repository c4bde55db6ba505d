import type { Evidence } from '../../core/resource.ts';
import { type Claim, type Clues, type Runner, claimsOf, runnerOf } from './clues.ts';
import { PRODUCTS, ruleOf } from './rules.ts';

export interface Identification {
  /** 'unknown' where the evidence does not carry a name. */
  readonly product: string;
  readonly version: string | undefined;
  readonly confidence: number;
  readonly evidence: readonly Evidence[];
}

/** Below it nothing is named. */
const NAMED = 0.5;
/** What a peer only says about itself never counts for more. */
const SELF_DESCRIPTION = 0.6;
const CONTRADICTED = 0.4;
const SPECIFIC = 0.75;

/**
 * Adds up what speaks for each product, and takes away where strong evidence disagrees: what really runs outweighs
 * what a port says about itself, a completed handshake outweighs the name of a program nobody knows.
 */
export function identify(clues: Clues): Identification {
  const runner = runnerOf(clues.process);
  const claims = claimsOf(clues);
  const scored = [...new Set(claims.map(({ product }) => product))]
    .map((product) => score(product, claims, runner))
    .toSorted((a, b) => b.confidence - a.confidence);
  const generic = asApplication(clues, runner, claims);
  const best = scored[0];
  const evidence = evidenceOf(clues, claims, runner);

  // Sure enough of the exact name, it says more than the kind of application.
  if (
    best &&
    best.confidence >= NAMED &&
    (best.confidence >= SPECIFIC || best.confidence >= (generic?.confidence ?? 0))
  ) {
    return {
      product: best.product,
      version: versionFor(best.product, claims),
      confidence: round(best.confidence),
      evidence,
    };
  }
  if (generic && generic.confidence >= NAMED)
    return { ...generic, version: clues.app?.version, confidence: round(generic.confidence), evidence };
  return {
    product: 'unknown',
    version: undefined,
    confidence: round(Math.min(NAMED - 0.01, Math.max(best?.confidence ?? 0, generic?.confidence ?? 0))),
    evidence,
  };
}

function score(product: string, claims: readonly Claim[], runner: Runner): { product: string; confidence: number } {
  const own = claims.filter((claim) => speaksFor(claim.product, product));
  const strongest = new Map<string, number>();
  for (const { strength, weight } of own) strongest.set(strength, Math.max(strongest.get(strength) ?? 0, weight));
  const self = Math.min(SELF_DESCRIPTION, together([strongest.get('self') ?? 0, strongest.get('endpoint') ?? 0]));
  const solid = ['process', 'handshake', 'image', 'unit'].map((strength) => strongest.get(strength) ?? 0);
  const total = together([...solid, self]);
  return { product, confidence: total * agreement(product, strongest, claims, runner) };
}

/** One where nothing contradicts. */
function agreement(
  product: string,
  own: ReadonlyMap<string, number>,
  claims: readonly Claim[],
  runner: Runner,
): number {
  const rule = ruleOf(product);
  if (runner.kind === 'native') {
    if (runner.rule.product === product) {
      if (runner.rule.forwarder) return 1;
      const denied = claims.some((claim) => claim.strength === 'handshake' && !related(claim.product, product));
      return denied ? 0.6 : 1;
    }
    // mysqld that greets as MariaDB: the more exact name wins, because the greeting knows.
    return runner.rule.speaksAs?.includes(product) && own.has('handshake') && !runner.rule.forwarder && rule?.executable
      ? 1
      : CONTRADICTED;
  }
  if (runner.kind === 'interpreter') {
    if (own.has('process') || own.has('image')) return 1;
    // A native server's protocol from a script: an imitation, a proxy or a test double.
    if (rule?.executable) return own.has('handshake') ? 0.65 : CONTRADICTED;
    return 1;
  }
  // A program nobody knows may be a renamed or a compatible one.
  return runner.kind === 'other' && own.has('handshake') && !own.has('image') ? 0.9 : 1;
}

/** Whether a claim for one product also supports another: mysqld's process supports the MariaDB that it greets as. */
function speaksFor(claimed: string, product: string): boolean {
  return (
    claimed === product ||
    (claimed === 'mysql' && product === 'mariadb') ||
    (claimed === 'redis' && (ruleOf(product)?.speaksAs?.includes('redis') ?? false))
  );
}

function related(one: string, other: string): boolean {
  return (
    one === other || speaksFor(one, other) || speaksFor(other, one) || (ruleOf(other)?.speaksAs?.includes(one) ?? false)
  );
}

/** A service that an interpreter or an unknown program runs is named for what is certain: that it is such an application. */
function asApplication(
  clues: Clues,
  runner: Runner,
  claims: readonly Claim[],
): { product: string; confidence: number } | undefined {
  const http = clues.recognitions
    .flatMap(({ recognition }) => recognition.sightings)
    .find(({ source, protocol }) => source === 'http' && protocol === 'http');
  const foreign = claims.some(
    ({ product, strength }) => strength !== 'unit' && ruleOf(product)?.executable !== undefined,
  );
  const contradicted = foreign ? 0.5 : 1;
  if (runner.kind === 'other') {
    return http ? { product: 'http-service', confidence: 0.7 * contradicted } : undefined;
  }
  if (runner.kind !== 'interpreter' || runner.product === 'script') return undefined;
  const known = clues.unit || clues.container || clues.app?.from === 'package' ? 0.5 : clues.app ? 0.1 : 0;
  const said = http
    ? `${http.fields['header.server'] ?? ''} ${http.fields['header.x-powered-by'] ?? ''}`.toLowerCase()
    : '';
  const typical = runner.header.test(said) ? 0.3 : 0;
  return { product: runner.product, confidence: together([0.44, http ? 0.55 : 0, known, typical]) * contradicted };
}

function versionFor(product: string, claims: readonly Claim[]): string | undefined {
  const order = ['handshake', 'endpoint', 'self', 'process', 'image'];
  const own = claims.filter((claim) => speaksFor(claim.product, product) && claim.version);
  return own.toSorted((a, b) => order.indexOf(a.strength) - order.indexOf(b.strength))[0]?.version;
}

/** What was seen, the unnamed and the contradicting included: who reads it can judge for himself. */
function evidenceOf(clues: Clues, claims: readonly Claim[], runner: Runner): Evidence[] {
  const evidence = new Map<string, Evidence>();
  const add = (item: Evidence): void => {
    const key = `${item.source} ${item.detail}`;
    if ((evidence.get(key)?.weight ?? -1) < item.weight) evidence.set(key, item);
  };
  for (const claim of claims) add(claim.evidence);
  if (runner.kind !== 'native' && clues.process)
    add({
      source: 'process',
      detail: `runs ${clues.process.executable}${clues.app ? ` for ${clues.app.name}` : ''}`,
      weight: 0.3,
    });
  if (clues.unit) add({ source: 'systemd', detail: `unit ${clues.unit}`, weight: 0.1 });
  if (clues.container) add({ source: 'container', detail: `image ${clues.container.image}`, weight: 0.1 });
  for (const { port, recognition } of clues.recognitions) {
    for (const sighting of recognition.sightings)
      add({ source: sighting.source, detail: `port ${port}: ${sighting.detail}`, weight: 0.1 });
    if (recognition.answer === 'silent')
      add({ source: 'port', detail: `port ${port} takes connections and says nothing`, weight: 0 });
    if (recognition.answer === 'refused') add({ source: 'port', detail: `port ${port} took no connection`, weight: 0 });
  }
  return [...evidence.values()].toSorted((a, b) => b.weight - a.weight).slice(0, 12);
}

/** Independent reasons: each removes part of the doubt that is left. */
function together(weights: readonly number[]): number {
  return 1 - weights.reduce((doubt, weight) => doubt * (1 - weight), 1);
}

function round(confidence: number): number {
  return Math.round(Math.min(0.99, confidence) * 100) / 100;
}

/** Products that a process, image or unit suggests, so that the recognizer speaks their protocol first. */
export function hintsOf(clues: Omit<Clues, 'recognitions' | 'programVersion'>): string[] {
  return [
    ...new Set(claimsOf({ ...clues, recognitions: [], programVersion: undefined }).map(({ product }) => product)),
  ];
}

export function versionArgsOf(process: Clues['process']): readonly string[] | undefined {
  const runner = runnerOf(process);
  return runner.kind === 'native'
    ? PRODUCTS.find(({ product }) => product === runner.rule.product)?.versionArgs
    : undefined;
}
