import type Docker from 'dockerode';
import { describe, expect, it } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import { createImages } from './images.ts';

/** An engine with images that names lead to, where somebody pulls at a moment of the test's choosing. */
function engine(tags: Record<string, string>) {
  const removed: string[] = [];
  const names = new Map(Object.entries(tags));
  const idOf = (name: string): string => {
    const id = names.get(name) ?? ([...names.values()].includes(name) ? name : undefined);
    if (id === undefined) throw Object.assign(new Error('no such image'), { statusCode: 404 });
    return id;
  };
  const after = new Map<string, () => void>();
  const docker = {
    listContainers: async () => [],
    getImage: (name: string) => ({
      async inspect() {
        const Id = idOf(name);
        return { Id, RepoTags: [...names].flatMap(([tag, id]) => (id === Id ? [tag] : [])), RepoDigests: [] };
      },
      async remove() {
        const id = idOf(name);
        names.delete(name);
        if (![...names.values()].includes(id)) removed.push(id);
        after.get(name)?.();
      },
    }),
  };
  const images = createImages({
    docker: docker as unknown as Docker,
    call: async (_what, run) => {
      try {
        return await run(new AbortController().signal);
      } catch (thrown) {
        throw new StewardError('NOT_FOUND', 'no such image', { cause: thrown });
      }
    },
    protect: () => [],
  });
  return { images, removed, afterRemoving: (name: string, act: () => void) => after.set(name, act), names };
}

describe('removing an image', () => {
  const signal = new AbortController().signal;

  it('removes each of its names', async () => {
    const { images, removed } = engine({ 'shop:1': 'sha256:old', 'shop:latest': 'sha256:old' });
    expect(await images.removeImage('sha256:old', { signal })).toBe(true);
    expect(removed).toEqual(['sha256:old']);
  });

  it('leaves a name that leads to another image by now, and that image', async () => {
    const { images, removed, afterRemoving, names } = engine({ 'shop:1': 'sha256:old', 'shop:latest': 'sha256:old' });
    afterRemoving('shop:1', () => names.set('shop:latest', 'sha256:new'));

    await images.removeImage('sha256:old', { signal });

    expect(removed).not.toContain('sha256:new');
    expect(names.get('shop:latest')).toBe('sha256:new');
  });

  it('leaves the image where somebody gave it another name', async () => {
    const { images, removed, afterRemoving, names } = engine({ 'shop:1': 'sha256:old', 'shop:latest': 'sha256:old' });
    afterRemoving('shop:1', () => names.set('shop:keep', 'sha256:old'));

    await expect(images.removeImage('sha256:old', { signal })).rejects.toMatchObject({ code: 'CONFLICT' });

    expect(removed).toEqual([]);
  });
});
