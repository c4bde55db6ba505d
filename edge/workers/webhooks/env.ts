import { webDigests } from '../../handlers/digests.ts';
import type { PresetName } from '../../handlers/webhooks/presets.ts';
import type { TypesByName } from '../../handlers/webhooks/receive.ts';
import { type HookType, type ReadyType, readyType } from '../../handlers/webhooks/types.ts';
import type { Queue } from '../platform.ts';

/** Bindings, variables and secrets: wrangler.jsonc names them. */
export interface Env {
  readonly QUEUE: Queue;
  /** Where somebody looks at what Steward never takes. */
  readonly DEAD: Queue;
  /** Where Steward is, as in https://steward.example.org. */
  readonly STEWARD_URL: string;
  /** A token of Steward that may do `queue-webhook` and nothing else. */
  readonly API_SECRET: string;
  readonly WEBHOOK_TYPES: Readonly<Record<string, TypeSettings>>;
  /** WEBHOOK_SECRET_BANK, and WEBHOOK_SECRET_BANK_OLD while it is rotated. */
  readonly [secret: `WEBHOOK_SECRET_${string}`]: string | undefined;
}

interface TypeSettings {
  readonly preset?: PresetName;
  readonly maxBytes?: number;
  readonly toleranceSeconds?: number;
  readonly allowFrom?: readonly string[];
  readonly repeats?: HookType['repeats'];
  /** Where it says what it is about, as in steward.yaml. */
  readonly order?: HookType['key'];
}

const MAX_BYTES = 100_000;
const TOLERANCE_SECONDS = 300;

/** Secrets are read once for each environment, not for each request. */
const known = new WeakMap<Env, Map<string, ReadyType>>();

export function typesOf(env: Env): TypesByName {
  let ready = known.get(env);
  if (!ready) {
    ready = new Map(
      Object.entries(env.WEBHOOK_TYPES).map(([name, settings]) => [
        name,
        readyType(hookType(settings, secretsOf(env, name)), webDigests),
      ]),
    );
    known.set(env, ready);
  }
  return (name) => ready.get(name);
}

function hookType(settings: TypeSettings, secrets: readonly string[]): HookType {
  const {
    preset = 'steward',
    maxBytes = MAX_BYTES,
    toleranceSeconds = TOLERANCE_SECONDS,
    allowFrom,
    repeats = 'id',
    order,
  } = settings;
  return {
    preset,
    secrets,
    maxBytes,
    toleranceSeconds,
    repeats,
    ...(allowFrom && { allowFrom }),
    ...(order && { key: order }),
  };
}

/** One that two types would take is good for neither: `bank_old`, and `bank` while it is rotated, are not the same sender. */
function secretsOf(env: Env, name: string): string[] {
  const others = Object.keys(env.WEBHOOK_TYPES).filter((other) => other !== name);
  const shared = new Set(others.flatMap(variablesOf));
  return variablesOf(name).flatMap((variable) => {
    const secret = env[variable];
    if (secret === undefined || secret === '') return [];
    if (!shared.has(variable)) return [secret];
    console.error(`${variable} would be the secret of ${name} and of another type, and is used for none: rename one`);
    return [];
  });
}

function variablesOf(name: string): `WEBHOOK_SECRET_${string}`[] {
  const variable = `WEBHOOK_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}` as const;
  return [variable, `${variable}_OLD`];
}
