import { describe, expect, it } from 'vitest';
import type { ImageInfo } from './ports/docker.ts';
import { judgeImages } from './image-retention.ts';

const now = new Date('2026-06-01T00:00:00Z');
const ago = (days: number): Date => new Date(now.getTime() - days * 86_400_000);
const image = (id: string, days: number, part: Partial<ImageInfo> = {}): ImageInfo => ({
  id,
  tags: [],
  digests: [],
  labels: {},
  createdAt: ago(days),
  taggedAt: undefined,
  bytes: 1,
  ownBytes: 1,
  usedBy: [],
  parentOf: 0,
  protected: false,
  ...part,
});
const pulled = (repository: string, tag: string, days: number, part: Partial<ImageInfo> = {}): ImageInfo =>
  image(`${repository}:${tag}`, days, {
    tags: [`${repository}:${tag}`],
    digests: [`${repository}@sha256:${tag}`],
    ...part,
  });
const compose = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' };
const judge = (images: ImageInfo[], part: { maxAgeMs?: number; keepPrevious?: number } = {}) =>
  judgeImages(images, { now, maxAgeMs: 30 * 86_400_000, keepPrevious: 1, ...part });
const goes = (images: ImageInfo[], part?: Parameters<typeof judge>[1]): string[] =>
  judge(images, part).flatMap(({ image: { id }, stays }) => (stays === undefined ? [id] : []));

describe('which images may go', () => {
  it('what was pulled and that nothing has used for a month', () => {
    expect(goes([pulled('python', '3.8', 90), pulled('python', '3.9', 31), pulled('node', '24', 29)])).toEqual([
      'python:3.8',
      'python:3.9',
    ]);
  });

  it.each<[string, Partial<ImageInfo>]>([
    ['a container is made of it', { usedBy: ['stopped'] }],
    ['docker.protect names it', { protected: true }],
    ['marked steward.keep', { labels: { 'steward.keep': 'true' } }],
    ['marked steward.keep', { tags: ['old:steward.keep-until-audit'] }],
    ['others are built upon it', { parentOf: 1 }],
    ['young', { taggedAt: ago(1) }],
  ])('not where %s', (reason, part) => {
    expect(judge([pulled('old', '1', 400, part)])).toMatchObject([{ stays: reason }]);
  });

  it('not the one before the one in use, however old it is', () => {
    const images = [pulled('shop', '3', 100, { usedBy: ['shop'] }), pulled('shop', '2', 200), pulled('shop', '1', 300)];
    expect(goes(images)).toEqual(['shop:1']);
    expect(goes(images, { keepPrevious: 2 })).toEqual([]);
  });

  it('nor the one before it that lost its name to it: by its repository, its compose service, or as the last nameless one', () => {
    const running = image('new', 1, { tags: ['shop-web:latest'], labels: compose, usedBy: ['web'] });
    expect(
      goes([running, image('before', 200, { labels: compose }), image('long-before', 300, { labels: compose })]),
    ).toEqual(['long-before']);
    const digest = (id: string, days: number): ImageInfo => image(id, days, { digests: [`db@sha256:${id}`] });
    expect(goes([pulled('db', 'latest', 1, { usedBy: ['db'] }), digest('before', 200), digest('older', 300)])).toEqual([
      'older',
    ]);
    expect(goes([image('last', 200), image('older', 300), image('oldest', 400)])).toEqual(['older', 'oldest']);
  });

  it('not the newest of what was built here, for it can be had from nowhere', () => {
    const built = (tag: string, days: number): ImageInfo => image(`app:${tag}`, days, { tags: [`app:${tag}`] });
    expect(goes([built('1', 300), built('2', 200), built('3', 100)])).toEqual(['app:1', 'app:2']);
  });

  it('not one that a second name makes a way back', () => {
    const images = [
      pulled('shop', '3', 40, { usedBy: ['shop'] }),
      image('both', 200, { tags: ['shop:2', 'mirror/shop:2'], digests: ['shop@sha256:x'] }),
    ];
    expect(goes(images)).toEqual([]);
  });
});
