// Nothing here can show how long Cloudflare keeps a message: this looks at what is asked of it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bundled } from '../testing/bundle.ts';
import { delaySeconds } from './webhooks/bring.ts';

const GUIDE = join(import.meta.dirname, '../../docs/guides/edge-workers.md');

describe('the queues of the webhook worker, as they are asked for', () => {
  it('are created by the guide so that a message outlasts every attempt to bring it', async () => {
    const { config } = await bundled('webhooks');
    const [consumer] = config.queues?.consumers ?? [];
    const attempts = Array.from({ length: consumer?.max_retries ?? 0 }, (_, at) => delaySeconds(at + 1));
    const lasts = attempts.reduce((sum, seconds) => sum + seconds, 0);
    expect(lasts).toBeGreaterThan(3 * 86_400);
    const text = await readFile(GUIDE, 'utf8');
    const created = [...text.matchAll(/queues create (\S+) --message-retention-period-secs (\d+)/g)];
    expect(created.map(([, queue]) => queue)).toEqual([consumer?.queue, consumer?.dead_letter_queue]);
    for (const [, , seconds] of created) expect(Number(seconds)).toBeGreaterThan(2 * lasts);
  });
});
