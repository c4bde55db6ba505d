import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeHome, removeHome, type RunningSteward, startSteward, steward, stewardJson } from './kit/steward.ts';

const LAUNCHER = resolve(import.meta.dirname, '../bin/steward.js');
const SHELLS = ['bash', 'zsh', 'fish'] as const;
const missing = SHELLS.filter((shell) => !existsSync(`/usr/bin/${shell}`));

describe.skipIf(missing.length > 0)(
  `completion${missing.length > 0 ? ` (skipped: no ${missing.join(', ')})` : ''}`,
  () => {
    let home: string;
    let folder: string;
    let server: RunningSteward;
    let run: string;

    beforeAll(async () => {
      home = makeHome('discovery:\n  enabled: false\n');
      folder = mkdtempSync(join(tmpdir(), 'stw-shell-'));
      writeFileSync(join(folder, 'steward'), `#!/bin/sh\nexec '${process.execPath}' '${LAUNCHER}' "$@"\n`);
      chmodSync(join(folder, 'steward'), 0o755);
      server = await startSteward({ home, withinMs: 170_000 });
      ({ id: run } = await stewardJson<{ id: string }>(home, ['plan', 'clean-temp-files']));
      for (const shell of SHELLS) {
        const { stdout } = await steward(home, ['completion', shell]);
        writeFileSync(join(folder, `completion.${shell}`), stdout);
      }
    }, 240_000);
    afterAll(async () => {
      await server.stop();
      await removeHome(home);
      rmSync(folder, { recursive: true });
    });

    /** As the key would: the shell's own completion function, with the words of a line. */
    function press(shell: (typeof SHELLS)[number], words: readonly string[]): string[] {
      const script = join(folder, `completion.${shell}`);
      const quoted = ['steward', ...words].map((word) => `'${word}'`).join(' ');
      const code = {
        bash: `source ${script}; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _steward_complete; printf '%s\\n' "\${COMPREPLY[@]}"`,
        zsh: `_describe() { print -rl -- "\${(@P)3}" }; source ${script}; words=(${quoted}); CURRENT=${words.length + 1}; _steward`,
        fish: `source ${script}; complete -C '${['steward', ...words].join(' ')}'`,
      }[shell];
      const args = { bash: ['--norc', '-c', code], zsh: ['-f', '-c', code], fish: ['--no-config', '-c', code] }[shell];
      const env = { PATH: `${folder}:/usr/bin:/bin`, HOME: folder, STEWARD_HOME: home };
      const output = execFileSync(`/usr/bin/${shell}`, args, { env, encoding: 'utf8', timeout: 60_000, cwd: folder });
      return output
        .split('\n')
        .flatMap((line) => line.split(shell === 'zsh' ? ':' : '\t', 1))
        .filter((word) => word !== '');
    }

    it.each(SHELLS)(
      'of %s knows commands, options, values, and the names that the server knows',
      async (shell) => {
        expect(press(shell, ['ru'])).toEqual(expect.arrayContaining(['run', 'runs']));
        expect(press(shell, ['runs', 'wa'])).toEqual(['watch']);
        expect(press(shell, ['logs', 'follow', '--gr'])).toEqual(['--grep']);
        expect(press(shell, ['logs', 'follow', '--level', 'wa'])).toEqual(['warning']);
        // The names are given up where the server takes longer than a second, as a busy machine does.
        await vi.waitFor(() => expect(press(shell, ['runs', 'watch', 'run_'])).toContain(run), { timeout: 90_000 });
        expect(press(shell, ['config', 'vali'])).toEqual(['validate']);
      },
      240_000,
    );

    it.each(SHELLS)(
      'of %s evaluates nothing of what is half typed',
      (shell) => {
        press(shell, ['runs', '$(touch${IFS}evaluated)']);
        press(shell, ['`touch evaluated`']);
        expect(existsSync(join(folder, 'evaluated'))).toBe(false);
      },
      120_000,
    );

    it('offers nothing, quickly and without an error, where something is wrong', async () => {
      const lost = await steward(home, ['complete', '--', 'runs', 'watch', ''], {
        env: { STEWARD_URL: 'http://127.0.0.1:9', STEWARD_TOKEN: 'x' },
      });
      expect([lost.code, lost.stderr]).toEqual([0, '']);
    }, 60_000);

    it('is put where the shell finds it', async () => {
      for (const shell of SHELLS) {
        const { file } = await stewardJson<{ file: string }>(home, ['completion', shell, '--install'], {
          env: { HOME: folder },
        });
        expect(file.startsWith(folder)).toBe(true);
        expect(readFileSync(file, 'utf8')).toBe(readFileSync(join(folder, `completion.${shell}`), 'utf8'));
      }
      expect((await steward(home, ['completion', 'tcsh'])).code).toBe(2);
    }, 120_000);
  },
);
