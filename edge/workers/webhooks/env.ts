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

function secretsOf(env: Env, name: string): string[] {
  const variable = `WEBHOOK_SECRET_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}` as const;
  return [env[variable], env[`${variable}_OLD`]].filter((secret) => secret !== undefined && secret !== '') as string[];
}
