import type { SecretReference } from '../../core/secrets.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { SyslogPeer } from '../../core/syslog.ts';
import type { Outbound } from '../outbound/outbound.ts';
import type { Facility } from './format.ts';
import { sendByLogger } from './local.ts';
import { sendByStream } from './stream.ts';
import { sendByUdp } from './udp.ts';

interface Remote {
  readonly host: string;
  readonly port: number;
  readonly allowPrivate: boolean;
}

/** What the configuration says of a syslog server. */
export type SyslogSettings = { readonly facility: Facility } & (
  | ({ readonly transport: 'udp' | 'tcp' } & Remote)
  | ({
      readonly transport: 'tls';
      /** A file with the authorities to trust instead of the well-known ones. */
      readonly ca?: string | undefined;
      readonly cert?: string | undefined;
      readonly key?: SecretReference | undefined;
    } & Remote)
  | { readonly transport: 'unix'; readonly path: string }
);

export interface SyslogDeps {
  readonly outbound: Pick<Outbound, 'resolve'>;
  readonly programs: ProgramsPort;
  readonly secrets: SecretResolver;
  /** Longest time for one delivery. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;

/** A syslog server: UDP, TCP or TLS with octet counting (RFC 6587), or the socket of this machine. */
export function createSyslog(
  settings: SyslogSettings,
  { outbound, programs, secrets, timeoutMs = TIMEOUT_MS }: SyslogDeps,
): SyslogPeer {
  const { facility } = settings;
  if (settings.transport === 'unix') {
    return {
      address: `unix://${settings.path}`,
      send: (messages, signal) =>
        sendByLogger(messages, { path: settings.path, facility, programs, timeoutMs, signal }),
    };
  }
  const { host, port, allowPrivate, transport } = settings;
  const address = `${transport}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    address,
    async send(messages, signal) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const resolved = await outbound.resolve(host, { allowPrivate });
      const to = { address, host, resolved, port, facility, signal: deadline };
      if (transport === 'udp') return await sendByUdp(messages, to);
      await sendByStream(messages, to, settings.transport === 'tls' ? { ...settings, secrets } : undefined);
    },
  };
}
