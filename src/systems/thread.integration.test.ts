import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'stw-thread-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** How much of a young generation there is, in MB, after a lot was made of which some lived for a while. */
const YOUNG_MB = `
  import { getHeapSpaceStatistics } from 'node:v8';
  const youngMb = () => {
    let kept = [];
    for (let at = 0; at < 2_000_000; at += 1) {
      kept.push({ at, of: [at] });
      if (kept.length > 200_000) kept = [];
    }
    return getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space').space_size / 1024 / 1024;
  };`;

describe('a thread of a system', () => {
  it('has a young generation of its own, however small that of the main thread is kept', () => {
    const script = join(folder, 'thread.mjs');
    writeFileSync(
      script,
      `${YOUNG_MB}
      import { parentPort } from 'node:worker_threads';
      parentPort.on('message', ({ number }) => parentPort.postMessage({ is: 'answered', number, answer: youngMb() }));`,
    );
    const nothing = '() => undefined';
    const program = `${YOUNG_MB}
      import { startThread } from '${new URL('thread.ts', import.meta.url).href}';
      const log = { debug: ${nothing}, info: ${nothing}, warn: ${nothing}, error: ${nothing} };
      const thread = startThread({ name: { called: 'thread', hint: '' }, script: new URL('${pathToFileURL(script).href}'),
        data: {}, onNote: ${nothing}, onLost: ${nothing}, log, times: { answerMs: 60_000, beginMs: 0, endMs: 2_000 } });
      const its = await thread.ask('young', null);
      console.log(JSON.stringify([youngMb(), its]));
      process.exit();`;
    const { stdout } = spawnSync(process.execPath, ['--max-semi-space-size=8', '--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    const [main, thread] = JSON.parse(stdout) as [number, number];
    expect(main).toBeLessThanOrEqual(16);
    expect(thread).toBeGreaterThan(20);
  }, 120_000);
});
