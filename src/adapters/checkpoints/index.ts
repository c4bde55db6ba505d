import { open, readFile } from 'node:fs/promises';
import type { CheckpointPlace } from '../../core/audit.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { SyslogPeer } from '../../core/syslog.ts';
import type { Outbound } from '../outbound/outbound.ts';

export interface UrlPlace {
  readonly url: string | SecretReference;
  readonly method: 'PUT' | 'POST';
  readonly authorization?: SecretReference | undefined;
  readonly allowPrivate: boolean;
}

const READ_BYTES = 16 * 1024 * 1024;

/** A file: on another disk, on a mount of another machine, or one that can only be appended to. */
export function fileCheckpoints(path: string): CheckpointPlace {
  return {
    name: path,
    async write(line) {
      // Its folder is not made: where a mount is missing, the place would turn out to be this machine.
      const handle = await open(path, 'a', 0o600);
      try {
        await handle.appendFile(`${line}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (thrown) {
        throw new StewardError('UNAVAILABLE', `${path} cannot be read: ${(thrown as Error).message}`, {
          hint: 'See that the place is mounted, and that Steward may read it.',
          cause: thrown,
        });
      }
    },
  };
}

/** An address that takes each checkpoint. What was PUT there can be read back; what was POSTed is in the receiver's hands. */
export function urlCheckpoints(
  { url, method, authorization, allowPrivate }: UrlPlace,
  { outbound, secrets }: { outbound: Outbound; secrets: SecretResolver },
): CheckpointPlace {
  const name = typeof url === 'string' ? new URL(url).origin : `address in ${JSON.stringify(url)}`;
  const ask = async (how: 'PUT' | 'POST' | 'GET', signal: AbortSignal, body?: string): Promise<string> => {
    const response = await outbound.request({
      url: typeof url === 'string' ? url : (await secrets(url)).trim(),
      method: how,
      headers: {
        'content-type': 'application/json',
        ...(authorization === undefined ? {} : { authorization: `Bearer ${(await secrets(authorization)).trim()}` }),
      },
      ...(body === undefined ? {} : { body }),
      maxResponseBytes: READ_BYTES,
      allowPrivate,
      signal,
    });
    if (response.status >= 200 && response.status < 300) return response.body;
    throw new StewardError('UNAVAILABLE', `${name} answered HTTP ${response.status}.`, {
      hint: 'Correct the address or its authorization in audit.checkpoints.',
    });
  };
  return {
    name: `${method} ${name}`,
    async write(line, signal) {
      await ask(method, signal, line);
    },
    ...(method === 'PUT' && { read: async (signal: AbortSignal) => `${(await ask('GET', signal)).trim()}\n` }),
  };
}

/** A syslog server keeps what it was told; only who reads its log can compare. */
export function syslogCheckpoints(peer: SyslogPeer, host: string): CheckpointPlace {
  return {
    name: peer.address,
    async write(line, signal) {
      const { chain, seq, hash, at, mac } = JSON.parse(line) as Record<string, string>;
      const data = { chain: String(chain), seq: String(seq), hash: String(hash), mac: String(mac) };
      await peer.send(
        [{ at: new Date(String(at)), severity: 'notice', host, id: 'audit.checkpoint', data, text: line }],
        signal,
      );
    },
  };
}
