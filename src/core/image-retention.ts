import { z } from 'zod';
import type { ImageInfo } from './ports/docker.ts';

/** The label, or the beginning of a tag, by which an owner keeps an image: steward.keep. */
const KEEP = 'steward.keep';

/** How many images to go back to; an input of whatever removes images. */
export const KeepPrevious = z
  .number()
  .int()
  .min(1)
  .max(100)
  .default(2)
  .describe('As many unused images of each repository and each compose service stay, for the way back.');

export interface ImageRules {
  readonly now: Date;
  /** Younger ones stay. */
  readonly maxAgeMs: number;
  /** As many unused ones of each kind stay as what one goes back to. */
  readonly keepPrevious: number;
}

export interface JudgedImage {
  readonly image: ImageInfo;
  /** A name for people. */
  readonly name: string;
  /** nameless: no tag leads to it any more. */
  readonly kind: 'nameless' | 'unused';
  /** Why it stays; undefined where it may go. */
  readonly stays?: string | undefined;
  /** Why it may go. */
  readonly reason: string;
}

/**
 * Which images may go. One that a container is made of stays, a stopped one included, and so does what somebody marked or
 * the configuration protects. Of what is in use the last few before it stay: the way back after a bad deployment. Of
 * what was built here, and so can be had from nowhere, the newest stay even where nothing uses them.
 */
export function judgeImages(images: readonly ImageInfo[], rules: ImageRules): JudgedImage[] {
  const wayBack = new Set<ImageInfo>();
  for (const members of groups(images).values()) {
    const used = members.some(({ usedBy }) => usedBy.length > 0);
    const unused = members
      .filter(({ usedBy, digests }) => usedBy.length === 0 && (used || digests.length === 0))
      .toSorted((a, b) => since(b).getTime() - since(a).getTime());
    for (const image of unused.slice(0, rules.keepPrevious)) wayBack.add(image);
  }
  return images.map((image) => {
    const days = Math.floor((rules.now.getTime() - since(image).getTime()) / 86_400_000);
    const nameless = image.tags.length === 0;
    return {
      image,
      name: image.tags[0] ?? image.digests[0]?.replace(/@.*/, '') ?? image.id.slice(0, 19),
      kind: nameless ? 'nameless' : 'unused',
      stays: reasonToStay(image, rules, wayBack),
      reason: `no container is made of it, ${nameless ? 'no tag leads to it' : 'nothing tagged or pulled it'} ${nameless ? 'any more, and it is' : 'for'} ${days} days${nameless ? ' old' : ''}`,
    };
  });
}

function reasonToStay(
  image: ImageInfo,
  { now, maxAgeMs }: ImageRules,
  wayBack: ReadonlySet<ImageInfo>,
): string | undefined {
  if (image.usedBy.length > 0) return 'a container is made of it';
  if (image.protected) return 'docker.protect names it';
  if (isMarked(image)) return `marked ${KEEP}`;
  if (image.parentOf > 0) return 'others are built upon it';
  if (wayBack.has(image)) return 'a way back';
  if (now.getTime() - since(image).getTime() < maxAgeMs) return 'young';
  return undefined;
}

function isMarked({ labels, tags }: ImageInfo): boolean {
  const label = labels[KEEP];
  return (label !== undefined && label !== 'false') || tags.some((tag) => tag.split(':').at(-1)?.startsWith(KEEP));
}

/** Upstream's date of a fresh pull may be old, and a clock may be wrong: what counts is the younger of both. */
function since({ createdAt, taggedAt }: ImageInfo): Date {
  return taggedAt && taggedAt > createdAt ? taggedAt : createdAt;
}

/** What takes each other's place: images of one service of a compose project, of one repository, or without any name. */
function groups(images: readonly ImageInfo[]): Map<string, ImageInfo[]> {
  const found = new Map<string, ImageInfo[]>();
  for (const image of images)
    for (const key of new Set(keysOf(image))) found.set(key, [...(found.get(key) ?? []), image]);
  return found;
}

function keysOf({ labels, tags, digests }: ImageInfo): string[] {
  const [project, service] = [labels['com.docker.compose.project'], labels['com.docker.compose.service']];
  const repositories = [
    ...tags.map((tag) => tag.replace(/:[^:/]*$/, '')),
    ...digests.map((digest) => digest.replace(/@.*$/, '')),
  ];
  const keys = [...repositories, ...(project && service ? [`compose ${project} ${service}`] : [])];
  return keys.length > 0 ? keys : ['nameless'];
}
