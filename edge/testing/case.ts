// A request as data, so that the same ones can be judged in any runtime.
import { type Digests, webDigests } from '../handlers/digests.ts';
import { memoryCounters } from '../handlers/gateway/memory-counters.ts';
import { memoryCounted } from '../handlers/webhooks/counted.ts';
import { judge, type Verdict } from '../handlers/webhooks/receive.ts';
import { type Check, type HookType, readyType } from '../handlers/webhooks/types.ts';

export interface Case {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
  readonly body: readonly number[];
  readonly types: Readonly<Record<string, HookType>>;
  readonly now: number;
}

/** One after the other, as one receiver sees them. */
export async function judgeCases(cases: readonly Case[], digests: Digests = webDigests): Promise<readonly Verdict[]> {
  const counters = memoryCounters();
  const counted = memoryCounted();
  const verdicts: Verdict[] = [];
  for (const { method, path, headers, address, body, types, now } of cases) {
    const verdict = await judge(
      { method, path, headers: (name) => headers[name], address },
      Uint8Array.from(body),
      (name) => {
        const type = types[name];
        return type && readyType(type, digests, checkOf(type));
      },
      { digests, now, newId: () => '00000000-0000-4000-8000-000000000000', counters, counted },
    );
    verdicts.push(verdict);
  }
  return verdicts;
}

/** Of a schema only `required`: whoever has all of JSON Schema compiles it, which workerd does not allow. */
function checkOf({ schema }: HookType): Check | undefined {
  const is = schema?.is;
  if (typeof is !== 'object') return undefined;
  const required = is['required'] as readonly string[];
  return (data) => {
    const missing = required.find((name) => !Object.hasOwn(Object(data) as object, name));
    return missing === undefined ? undefined : `the body must have ${missing}.`;
  };
}
