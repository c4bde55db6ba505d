import type { Fault } from '../fault.ts';

/** Steward itself is struck. */
export const STEWARD_FAULTS: readonly Fault[] = [
  {
    name: 'steward-killed',
    title: 'mailer is frozen, and Steward is killed with signal 9 in the middle of healing it, then started again.',
    services: ['mailer'],
    alone: true,
    expect: 'healed',
    expected: 'the attempt that was begun is ended, not made twice',
    async inject(stage) {
      await stage.signal('mailer', 'SIGSTOP');
      await stage.until('healing works on mailer', async () => {
        const { items } = await stage.steward.get<{ items: { trigger: string; status: string }[] }>(
          `runs?target=${stage.steward.resourceId('mailer')}&status=running`,
        );
        return items.some(({ trigger }) => trigger === 'healing');
      });
      await stage.steward.kill();
      await stage.steward.start();
    },
  },
];
