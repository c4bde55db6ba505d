import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postmasterPid, startSteward, steward, stewardJson } from '../../test/kit/steward.ts';

/** A Steward as a user runs it, with a home of its own, for as long as the measurement takes. */
export async function startHome() {
  const home = mkdtempSync(join(tmpdir(), 'stw-bench-'));
  chmodSync(home, 0o755);
  const running = await startSteward({ home });
  const { token } = await stewardJson<{ token: string }>(home, [
    'token',
    'create',
    '--role',
    'operator',
    '--name',
    'bench',
  ]);
  return {
    home,
    running,
    postmaster: () => postmasterPid(home) ?? 0,
    cli: (...args: string[]) => steward(home, args),
    async scan() {
      const answer = await fetch(`${running.url}/api/v1/automation/discovery/scan`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      });
      if (!answer.ok) throw new Error(await answer.text());
      return (await answer.json()) as { durationMs: number; services: number };
    },
    async stop() {
      await running.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
