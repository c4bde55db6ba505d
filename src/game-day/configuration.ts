import type { ConfigInput } from '../config/schema.ts';
import { configuredStack, type ServiceName, type Stack } from './stack.ts';

/** How fast the isolated Steward looks and heals: everything that takes minutes on a machine takes seconds here. Its last 21 looks are 21
 * seconds, in which one blow and one restart are change enough to be taken for flapping, so that takes more. */
const PACE = {
  monitoring: { every: '1s', timeout: '4s', failures: 3, flap: { high: 60, low: 30 } },
  healing: { loop: '500ms', soak: '8s', attempts: 3, perHour: 20, backoff: '1s' },
} as const;

/** Restarting what it watches is all that it may do: no shipped workflow must come to its time on the machine of somebody else. */
const ONLY_THE_STACK: NonNullable<ConfigInput['policy']> = [
  {
    id: 'game-day-heals',
    automation: 'restart-service',
    decision: 'auto',
    why: 'It knows only services of the stack.',
  },
  {
    id: 'game-day-touches-nothing-else',
    effect: ['write', 'destructive'],
    decision: 'observe',
    why: 'Whatever is not of the scratch stack is not its business.',
  },
];

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
    healing: { ...PACE.healing, enabled: healing },
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
