import { z } from 'zod';

/** A setting of a server that does not fit its machine or what it is asked; a person changes it, never Steward. */
export const SettingAdvice = z.object({
  setting: z.string(),
  now: z.string(),
  should: z.string(),
  why: z.string(),
  restart: z.boolean().describe('Whether it takes a restart of the server.'),
});
export type SettingAdvice = z.output<typeof SettingAdvice>;

/** What a server has of the machine that it runs on. */
export interface Machine {
  /** Of the machine, or of the control group of the server where that is less. */
  readonly memoryBytes: number;
  /** Nobody uses it now. */
  readonly availableBytes: number;
  /** Whose memory it is, in words. */
  readonly of: string;
  /** Whether its disk turns; undefined where that cannot be seen. */
  readonly rotational?: boolean | undefined;
}

export const MB = 1024 ** 2;
export const GB = 1024 ** 3;

/** A size so much below or above is worth a change: formulas of memory are no closer than that. */
const FAR = 1.5;

interface Size {
  readonly setting: string;
  readonly now: number;
  readonly should: number;
  readonly why: string;
  readonly restart: boolean;
  /** More than it should be does no harm. */
  readonly least?: boolean;
}

/** Sizes rounded to what a person would write. */
export function sizeAdvice({ setting, now, should, why, restart, least = false }: Size): SettingAdvice[] {
  const rounded = roundedDown(should);
  const isFar = now * FAR < rounded || (!least && now > rounded * FAR);
  if (!isFar) return [];
  return [{ setting, now: inMegabytes(now), should: inMegabytes(rounded), why, restart }];
}

/** To two digits in binary: 1536 MB stays, 1537 becomes it. */
function roundedDown(bytes: number): number {
  const step = 2 ** Math.max(20, Math.floor(Math.log2(Math.max(1, bytes))) - 2);
  return Math.max(MB, Math.floor(bytes / step) * step);
}

/** As both engines read it; nobody's GB is meant to be a power of ten. */
const inMegabytes = (bytes: number): string => `${Math.round(bytes / MB)}MB`;

/** No more than there is: a machine that swaps is slower than any cache makes it. */
export const withinFree = (should: number, now: number, { availableBytes }: Machine): number =>
  should <= now ? should : Math.min(should, now + availableBytes * 0.8);
