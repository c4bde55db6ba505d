import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ERRORS, StewardError } from './errors.ts';

describe('errors', () => {
  it('give each code an exit code of its own', () => {
    const codes = Object.values(ERRORS).map(({ exitCode }) => exitCode);

    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).not.toContain(0);
  });

  it('name the fields that a schema refused', () => {
    const { error } = z.object({ every: z.string(), port: z.number() }).safeParse({ every: 5, port: 1 });

    expect(StewardError.from(error)).toMatchObject({ code: 'INPUT_INVALID', problems: [{ path: 'every' }] });
  });

  it('keep the cause and call a bug INTERNAL', () => {
    const bug = new TypeError('x is undefined');

    expect(StewardError.from(bug)).toMatchObject({ code: 'INTERNAL', cause: bug });
  });
});
