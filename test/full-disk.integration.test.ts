import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  eventually,
  isAlive,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface Overview {
  readonly verdict: string;
  readonly store: { readonly ok: boolean };
  readonly notices: readonly { readonly id: string; readonly level: string; readonly text: string }[];
}

const mayMount = (() => {
  const folder = makeHome();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]).status === 0;
  if (mounted) spawnSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return mounted;
})();

describe.skipIf(!mayMount)('a disk that is full (needs the right to mount a tmpfs)', () => {
  const home = makeHome();
  const filler = join(home, 'filler');
  let running: RunningSteward;
  let token: string;

  beforeAll(async () => {
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', home]);
    running = await startSteward({ home });
    ({ token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--role',
      'admin',
      '--name',
      'before',
    ]));
  }, 70_000);
  afterAll(async () => {
    await running.stop();
    spawnSync('umount', ['-l', home]);
    await removeHome(home);
  });

  it('says so, keeps what it has, and goes on when there is room again', async () => {
    fill(filler);

    const refused = await eventually('a refusal', async () => {
      // Each asks for a little more room than the one before.
      const answer = await steward(home, ['token', 'create', '--role', 'viewer', '--name', 'x'.repeat(90)]);
      return answer.code === 0 ? undefined : answer;
    });
    expect(refused.stderr).toMatch(/full|no space/i);
    expect(refused.code).toBe(23);
    expect((await fetch(`${running.url}/api/v1/health`)).status).toBe(200);
    const seen = await eventually('a notice', async () => {
      const overview = await stewardJson<Overview>(home, ['overview']);
      return overview.notices.some(({ text }) => /full/.test(text)) ? overview : undefined;
    });
    expect(seen.verdict).toBe('broken');
    const late = await steward(home, ['serve'], { env: { STEWARD_PORT: '0' } });
    expect([18, 23]).toContain(late.code);

    rmSync(filler);
    await eventually('a new token', async () => {
      const answer = await steward(home, ['token', 'create', '--role', 'viewer', '--name', 'after']);
      return answer.code === 0 ? true : undefined;
    });
    expect(
      (await fetch(`${running.url}/api/v1/services`, { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
    expect((await stewardJson<Overview>(home, ['overview'])).notices.filter(({ text }) => /full/.test(text))).toEqual(
      [],
    );
    expect((await steward(home, ['plan', 'clean-temp-files'])).code).toBe(0);
    expect((await steward(home, ['audit', 'verify'])).code).toBe(0);
    expect(isAlive(running.pid)).toBe(true);
  }, 120_000);

  it('refuses to start on it, and says what to do', async () => {
    expect(await running.stop()).toBe(0);
    fill(filler);

    const refused = await steward(home, ['serve'], { env: { STEWARD_PORT: '0' } });
    expect(refused.code).toBe(23);
    expect(refused.stderr).toContain(`df -h ${home}`);

    rmSync(filler);
    running = await startSteward({ home });
    expect(
      (await fetch(`${running.url}/api/v1/services`, { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
  }, 60_000);
});

/** To the last byte. */
function fill(file: string): void {
  writeFileSync(file, '');
  const handle = openSync(file, 'a');
  try {
    for (let block = Buffer.alloc(1 << 20); block.length > 0;) {
      try {
        writeSync(handle, block);
      } catch {
        block = block.subarray(0, block.length >> 1);
      }
    }
  } finally {
    closeSync(handle);
  }
}
