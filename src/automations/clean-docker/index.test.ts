import { describe, expect, it } from 'vitest';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import cleanDocker from './index.ts';

const now = (): Date => new Date('2026-03-31T02:00:00Z');
const day = (days: number): Date => new Date(now().getTime() - days * 86_400_000);

function machine(): FakePorts {
  const ports = fakePorts({ now });
  const add = (tag: string, days: number, digest = true): string =>
    ports.docker.addImage({
      id: `id-of-${tag}`,
      tags: tag.startsWith('nameless') ? [] : [tag],
      digests: digest ? [`${tag.replace(/:.*/, '')}@sha256:${days}`] : [],
      createdAt: day(days),
      bytes: days * 1e7,
    });
  for (const [tag, days] of [
    ['shop:5', 1],
    ['shop:4', 50],
    ['shop:3', 60],
    ['shop:2', 70],
    ['shop:1', 80],
    ['python:3.9', 90],
    ['python:3.14', 2],
  ] as const)
    add(tag, days);
  add('nameless-1', 40, false);
  add('nameless-2', 100, false);
  add('nameless-3', 110, false);
  ports.docker.run('shop', { image: 'shop:5' });
  return ports;
}
type Input = Parameters<typeof performInMemory<typeof cleanDocker.input, typeof cleanDocker.output, never>>[1]['input'];
const clean = (ports: FakePorts, input: Input = {}, dryRun = false) =>
  performInMemory(cleanDocker, { ports, now, input, dryRun });
const left = async (ports: FakePorts) => (await ports.docker.images()).map(({ id }) => id.replace('id-of-', ''));

describe('clean-docker', () => {
  it('removes what nothing has used for a month, and keeps two ways back of everything', async () => {
    const ports = machine();
    const run = await clean(ports);
    expect(run).toMatchObject({
      status: 'succeeded',
      output: {
        kept: { 'a container is made of it': 1, 'a way back': 4, young: 1 },
        bytes: 70e7 + 80e7 + 90e7 + 110e7,
      },
    });
    expect(await left(ports)).toEqual(['shop:5', 'shop:4', 'shop:3', 'python:3.14', 'nameless-1', 'nameless-2']);
  });

  it('shows first each image with its bytes, its reason and how it comes back', async () => {
    const ports = machine();
    const run = await clean(ports, { remove_dangling: false }, true);
    expect(run.plan).toMatchObject([
      {
        id: 'id-of-python:3.9',
        bytes: 90e7,
        undo: 'none',
        reason: expect.stringContaining('docker pull python@sha256:90'),
      },
      { id: 'id-of-shop:1' },
      { id: 'id-of-shop:2' },
    ]);
    expect(await left(ports)).toHaveLength(10);
  });

  it('removes only what is asked for', async () => {
    const ports = machine();
    expect((await clean(ports, { remove_unused: false })).output?.removed).toEqual(['id-of-nameless-3']);
  });

  it('refuses to remove volumes, and says why', () => {
    const parsed = cleanDocker.input.safeParse({ prune_volumes: true });
    expect(parsed.error?.issues[0]?.message).toContain('volumes hold data');
  });

  it('keeps an image that a container came to use after the plan, and one that was pulled anew', async () => {
    const ports = machine();
    const run = await performInMemory(cleanDocker, {
      ports,
      now,
      input: {},
      beforeApply() {
        ports.docker.run('debug', { image: 'shop:1', state: 'exited' });
        ports.docker.addImage({ id: 'id-of-python:3.9', tags: ['python:3.9'], createdAt: day(90), taggedAt: day(0) });
      },
    });
    expect(run.status).toBe('succeeded');
    expect(await left(ports)).toEqual(expect.arrayContaining(['shop:1', 'python:3.9']));
  });

  it('keeps an image that a container came to use in the last moment', async () => {
    const ports = machine();
    const images = ports.docker.images.bind(ports.docker);
    const run = await performInMemory(cleanDocker, {
      // Used as soon as it was looked at: the engine itself refuses.
      ports: {
        ...ports,
        docker: {
          ...ports.docker,
          removeImage: async (id, options) => {
            if (id === 'id-of-shop:1') ports.docker.run('debug', { image: 'shop:1', state: 'exited' });
            return await ports.docker.removeImage(id, options);
          },
          images,
        },
      },
      now,
      input: {},
    });
    expect(run).toMatchObject({ status: 'succeeded' });
    expect(Object.keys(run.output?.kept ?? {}).join()).toContain('is used or protected');
    expect(await left(ports)).toContain('shop:1');
  });

  it('fails where the engine says yes and removes nothing', async () => {
    const ports = machine();
    const run = await performInMemory(cleanDocker, {
      ports: { ...ports, docker: { ...ports.docker, removeImage: async () => true } },
      now,
      input: {},
    });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });

  it('says that Docker is away', async () => {
    const ports = machine();
    ports.docker.setAvailable(false);
    expect(await clean(ports)).toMatchObject({ status: 'failed', error: { code: 'PRECONDITION_FAILED' } });
  });
});
