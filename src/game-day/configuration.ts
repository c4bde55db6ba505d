import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigInput } from '../config/schema.ts';
import { StewardError } from '../core/errors.ts';
import { configuredStack, type ServiceName, type Stack } from './stack.ts';

/** How fast the isolated Steward looks and heals: everything that takes minutes on a machine takes seconds here. Its last 21 looks are 21
 * seconds, in which one blow and one restart are change enough to be taken for flapping, so that takes more. So many services failing within
 * minutes would be a disaster elsewhere, at which healing stops and asks; here it is what was asked for. */
const PACE = {
  monitoring: { every: '1s', timeout: '4s', failures: 3, flap: { high: 60, low: 30 } },
  healing: {
    loop: '500ms',
    soak: '8s',
    attempts: 3,
    perHour: 20,
    disruptivePerHour: 1_000,
    backoff: '1s',
    recurrence: '0s',
  },
} as const;

/** What helps the stack is all that it may do: no shipped workflow must come to its time on the machine of somebody else. */
const ONLY_THE_STACK: NonNullable<ConfigInput['policy']> = [
  {
    id: 'game-day-restarts',
    automation: 'restart-service',
    decision: 'auto',
    why: 'It knows only services of the stack.',
  },
  ...['resume-process', 'end-blocking-session', 'relieve-memory', 'clear-caches'].map((automation) => ({
    id: `game-day-heals-by-${automation}`,
    automation,
    trigger: 'healing' as const,
    decision: 'auto' as const,
    why: 'Healing knows only services of the stack.',
  })),
  {
    id: 'game-day-touches-nothing-else',
    effect: ['write', 'destructive'],
    decision: 'observe',
    why: 'Whatever is not of the scratch stack is not its business.',
  },
];

/** The minute that the shipped ones give somebody's work to end. */
const IN_A_HURRY: Readonly<Record<string, readonly [from: string, to: string]>> = {
  'await-database-lock': ['seconds: 60', 'seconds: 4'],
  'end-blocking-session': ['idleForSeconds: 60', 'idleForSeconds: 3'],
};

/** The shipped runbooks that wait for minutes, with seconds in their place and nothing else changed. */
export function gameDayRunbooks(): { readonly name: string; readonly text: string }[] {
  return Object.entries(IN_A_HURRY).map(([name, [from, to]]) => {
    const shipped = readFileSync(join(import.meta.dirname, '../runbooks', `${name}.md`), 'utf8');
    if (!shipped.includes(from)) throw new StewardError('INTERNAL', `The runbook ${name} does not say ${from}.`);
    // Trust is for what ships; one that only looks needs none.
    return { name, text: shipped.replace(from, to).replace('autonomy: trusted', 'autonomy: earned') };
  });
}

/** Steward's own configuration for a game day: only the stack is watched, and only the sink is told. */
export function gameDayConfig(
  stack: Stack,
  services: readonly ServiceName[],
  {
    passwordFile,
    sink,
    healing,
  }: {
    readonly passwordFile: string;
    readonly sink: { readonly url: string; readonly secretFile: string };
    readonly healing: boolean;
  },
): ConfigInput {
  return {
    server: { host: '127.0.0.1', port: 0 },
    node: { name: `game-day-${stack.id}` },
    discovery: { enabled: false, every: '1m' },
    machine: { watch: false },
    monitoring: PACE.monitoring,
    // Much of what is struck here cannot be healed, on purpose: a record of that says nothing of a runbook.
    healing: { ...PACE.healing, enabled: healing, autonomy: { by: 'policy' } },
    alerts: {
      hold: '0s',
      throttle: { perHour: 10_000 },
      channels: [
        {
          kind: 'webhook',
          name: 'game-day',
          url: sink.url,
          secret: { file: sink.secretFile },
          allowPrivate: true,
        },
      ],
    },
    policy: ONLY_THE_STACK,
    services: configuredStack(stack, services, passwordFile),
  };
}
