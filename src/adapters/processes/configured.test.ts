import { realpathSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configuredRecipe } from './configured.ts';

const seen = { uid: 1234, gid: 5678 };

describe('a launch that the configuration says', () => {
  it('is what is really there, run by whom it was seen', () => {
    expect(configuredRecipe({ argv: ['/bin/sh', '-c', 'true'], cwd: '/srv' }, seen)).toEqual({
      recipe: { argv: ['/bin/sh', '-c', 'true'], executable: realpathSync('/bin/sh'), cwd: '/srv', ...seen },
    });
  });

  it('is run by whom it names, by name or by number', () => {
    expect(configuredRecipe({ argv: ['/bin/sh'], user: 'root' }, seen)).toMatchObject({ recipe: { uid: 0, gid: 0 } });
    expect(configuredRecipe({ argv: ['/bin/sh'], user: '7:8' }, seen)).toMatchObject({ recipe: { uid: 7, gid: 8 } });
  });

  it.each([
    [{ argv: ['sh'] }, 'no absolute path'],
    [{ argv: ['/nonexistent/program'] }, 'is not there'],
    [{ argv: ['/etc/passwd'] }, 'no program'],
    [{ argv: ['/bin/sh'], user: 'nobody-of-this-name' }, 'does not know'],
  ])('is refused with the reason: %j', (launch, reason) => {
    expect(configuredRecipe(launch, seen)).toEqual({ problem: expect.stringContaining(reason) });
  });

  it.skipIf(process.getuid?.() !== 0)('makes nobody root because a line is missing', () => {
    expect(configuredRecipe({ argv: ['/bin/sh'] }, undefined)).toEqual({
      problem: expect.stringContaining('Add user'),
    });
  });
});
