import type { Fault } from '../fault.ts';
import { started } from '../story.ts';

/** Steward itself is struck. */
export const STEWARD_FAULTS: readonly Fault[] = [
  {
    name: 'steward-killed',
    title: 'archive is wedged, and Steward is killed with signal 9 while it restarts it, then started again.',
    services: ['archive'],
    alone: true,
    expect: 'healed',
    expected: 'the attempt that was begun is ended, not made twice',
    async inject(stage) {
      await stage.misbehave('archive', { kind: 'wedge' });
      // It takes its time to end, so there is a middle.
      await stage.until('healing works on archive', async () => {
        const { items } = await stage.steward.get<{ items: { trigger: string; status: string }[] }>(
          `runs?target=${stage.steward.resourceId('archive')}&status=running`,
        );
        return items.some(({ trigger }) => trigger === 'healing');
      });
      await stage.steward.kill();
      await stage.steward.start();
    },
    further: (story) => [started(story, 'archive', 1)],
  },
];
