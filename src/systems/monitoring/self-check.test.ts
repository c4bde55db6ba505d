import { afterEach, describe, expect, it } from 'vitest';
import { type SelfCheck, createSelfCheck } from './self-check.ts';

const started: SelfCheck[] = [];
afterEach(async () => {
  for (const check of started.splice(0)) await check.stop();
});

async function start(monotonic?: () => number): Promise<SelfCheck> {
  const check = createSelfCheck(monotonic);
  started.push(check);
  await check.start();
  return check;
}

describe('self-check', () => {
  it('finds nothing wrong with a monitor that reaches itself, and asks itself again each time', async () => {
    let now = 0;
    const check = await start(() => now);

    expect(await check.blame()).toBeUndefined();
    now += 1_500;
    expect(await check.blame()).toBeUndefined();
  });

  it('blames a pause of the process for ten seconds', async () => {
    let now = 0;
    const check = await start(() => now);

    now += 60_000;
    expect(await check.blame()).toBe('Steward itself stood still for 59.5 s');
    now += 9_000;
    expect(await check.blame()).toContain('stood still');
  });

  it('forgets the pause once the process runs again', async () => {
    let now = 0;
    const check = await start(() => now);
    now += 60_000;
    await check.blame();

    for (let second = 0; second < 12; second += 1) {
      now += 1_001;
      await check.blame();
    }

    expect(await check.blame()).toBeUndefined();
  });

  it('survives where no server of its own can be had', async () => {
    const check = createSelfCheck();
    await check.stop();

    expect(await check.blame()).toBeUndefined();
  });
});
