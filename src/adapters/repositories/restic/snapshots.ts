import { z } from 'zod';
import { Holder, lifeOf, type Self } from '../holder.ts';
import { safeName, stampOf } from '../../../core/backup/names.ts';

const Snapshot = z.object({
  id: z.string(),
  time: z.string(),
  tree: z.string(),
  hostname: z.string().default(''),
  tags: z.array(z.string()).nullish(),
});

/** One snapshot of ours: a part of a copy, or the manifest that seals it. */
export interface PartSnapshot {
  readonly id: string;
  readonly tree: string;
  readonly time: Date;
  /** As they are in tags: made safe. */
  readonly copy: string;
  readonly source: string;
  readonly part: string;
  readonly holder: Holder | undefined;
}

export const SEAL = 'manifest.json';

/** `key` is for whoever looks for a copy by hand: the folder that it would have in a directory. */
export function tagsOf(of: {
  readonly copy: string;
  readonly source: string;
  readonly part: string;
  readonly at: Date;
  readonly holder: Holder;
}): string {
  const holder = Buffer.from(JSON.stringify(of.holder)).toString('base64url');
  const source = safeName(of.source);
  return `steward,copy=${safeName(of.copy)},source=${source},part=${safeName(of.part)},key=${source}/${stampOf(of.at)},holder=${holder}`;
}

export function parseSnapshots(json: string): PartSnapshot[] {
  const all = z.array(Snapshot).nullable().parse(JSON.parse(json)) ?? [];
  return all.flatMap(({ id, tree, time, tags }) => {
    const tag = (name: string): string | undefined =>
      tags?.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
    const [copy, source, part] = [tag('copy'), tag('source'), tag('part')];
    if (!tags?.includes('steward') || copy === undefined || source === undefined || part === undefined) return [];
    return [{ id, tree, time: new Date(time), copy, source, part, holder: parseHolder(tag('holder')) }];
  });
}

/** Whether whoever made it may still be at it. */
export function mayGoOn({ holder, time }: PartSnapshot, self: Self, now: Date, unknownMs: number): boolean {
  const life = holder ? lifeOf(holder, self) : 'unknown';
  return life === 'yes' || (life === 'unknown' && now.getTime() - time.getTime() < unknownMs);
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    return Holder.parse(JSON.parse(Buffer.from(text ?? '', 'base64url').toString('utf8')));
  } catch {
    return undefined;
  }
}
