// A request as data, so that the same ones can be judged in any runtime.
import { type Digests, webDigests } from '../handlers/digests.ts';
import { judge, type Verdict } from '../handlers/webhooks/receive.ts';
import { type HookType, readyType } from '../handlers/webhooks/types.ts';

export interface Case {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
  readonly body: readonly number[];
  readonly types: Readonly<Record<string, HookType>>;
  readonly now: number;
}

export async function judgeCase(
  { method, path, headers, address, body, types, now }: Case,
  digests: Digests = webDigests,
): Promise<Verdict> {
  const header = (name: string): string | undefined => headers[name];
  return await judge(
    { method, path, headers: header, address },
    Uint8Array.from(body),
    (name) => {
      const type = types[name];
      return type && readyType(type, digests);
    },
    { digests, now, newId: () => '00000000-0000-4000-8000-000000000000' },
  );
}
