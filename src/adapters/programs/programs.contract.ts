import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProgramRequest, ProgramsPort } from '../../core/ports/programs.ts';

type Call = Pick<ProgramRequest, 'program' | 'args'>;

/** A world with a few programs, whoever runs them. */
export interface ProgramsWorld {
  readonly programs: ProgramsPort;
  /** Prints the text to one stream and ends with the code. */
  prints(text: string, to: 'stdout' | 'stderr', exitCode: number): Call;
  /** Prints what it is given as input. */
  echoes(): Call;
  /** Never ends by itself. */
  hangs(): Call;
  close(): Promise<void>;
}

/** What whoever implements ProgramsPort promises. */
export function programsContract(name: string, create: () => Promise<ProgramsWorld>): void {
  describe(name, () => {
    let world: ProgramsWorld;
    beforeAll(async () => {
      world = await create();
    });
    afterAll(() => world?.close());

    it('gives the output and any exit code for the caller to judge', async () => {
      expect(await world.programs.run({ ...world.prints('good', 'stdout', 0), timeoutMs: 5000 })).toMatchObject({
        exitCode: 0,
        signal: null,
        stdout: 'good',
        stderr: '',
        truncated: false,
      });
      expect(await world.programs.run({ ...world.prints('bad', 'stderr', 7), timeoutMs: 5000 })).toMatchObject({
        exitCode: 7,
        stdout: '',
        stderr: 'bad',
      });
    });

    it('hands over input', async () => {
      expect(await world.programs.run({ ...world.echoes(), input: 'zwei\nZeilen ü', timeoutMs: 5000 })).toMatchObject({
        stdout: 'zwei\nZeilen ü',
      });
      expect(await world.programs.run({ ...world.echoes(), timeoutMs: 5000 })).toMatchObject({ stdout: '' });
    });

    it('lets content flow through it, more than anyone keeps', async () => {
      let bytes = 0;
      const result = await world.programs.stream(
        { ...world.echoes(), input: megabytes(4), timeoutMs: 20_000 },
        async (output) => {
          for await (const chunk of output) bytes += chunk.length;
          return 'all of it';
        },
      );
      expect(result).toMatchObject({ exitCode: 0, stdout: '', taken: 'all of it', truncated: false });
      expect(bytes).toBe(4 * 1024 * 1024);
    });

    it('keeps what a program wrote before it ended for whoever is slow to take it', async () => {
      const { taken } = await world.programs.stream(
        { ...world.prints('all of it', 'stdout', 0), timeoutMs: 5_000 },
        async (output) => {
          await sleep(300);
          let text = '';
          for await (const chunk of output) text += Buffer.from(chunk).toString();
          return text;
        },
      );
      expect(taken).toBe('all of it');
    });

    it('throws what goes wrong at either end of the flow', async () => {
      await expect(
        world.programs.stream({ ...world.echoes(), input: megabytes(4), timeoutMs: 20_000 }, async (output) => {
          for await (const _chunk of output) throw new Error('no room for it');
        }),
      ).rejects.toThrow('no room for it');
      await expect(
        world.programs.stream({ ...world.echoes(), input: brokenOff(), timeoutMs: 20_000 }, async (output) => {
          for await (const _chunk of output);
        }),
      ).rejects.toThrow('the source is gone');
    });

    it('keeps the first bytes of too much output and says so', async () => {
      const result = await world.programs.run({
        ...world.prints('x'.repeat(5000), 'stdout', 0),
        outputLimit: 1000,
        timeoutMs: 5000,
      });

      expect(result).toMatchObject({ exitCode: 0, truncated: true, stdout: 'x'.repeat(1000) });
    });

    it('says NOT_FOUND for a program that is not there', async () => {
      await expect(
        world.programs.run({ program: 'steward-no-such-program', args: [], timeoutMs: 5000 }),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('gives up at the deadline', async () => {
      await expect(world.programs.run({ ...world.hangs(), timeoutMs: 100 })).rejects.toMatchObject({ code: 'TIMEOUT' });
    });

    it('gives up when asked to, before the start and after', async () => {
      await expect(
        world.programs.run({ ...world.hangs(), timeoutMs: 5000, signal: AbortSignal.abort() }),
      ).rejects.toMatchObject({ code: 'CANCELED' });
      await expect(
        world.programs.run({ ...world.hangs(), timeoutMs: 5000, signal: AbortSignal.timeout(50) }),
      ).rejects.toMatchObject({ code: 'CANCELED' });
    });
  });
}

async function* megabytes(count: number): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < count; sent += 1) yield new Uint8Array(1024 * 1024).fill(97);
}

async function* brokenOff(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1024).fill(97);
  throw new Error('the source is gone');
}
