import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { SeenAlert } from './story.ts';

/** Whom the isolated Steward tells: a receiver on loopback that believes signed alerts only, and each once. */
export interface AlertSink {
  readonly url: string;
  /** The signing secret, base64. */
  readonly secret: string;
  readonly alerts: readonly SeenAlert[];
  close(): Promise<void>;
}

export async function openAlertSink(): Promise<AlertSink> {
  const secret = randomBytes(32).toString('base64');
  const alerts = new Map<string, SeenAlert>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      try {
        const headers = request.headers as Record<string, string>;
        const { data } = new Webhook(secret).verify(Buffer.concat(chunks).toString(), headers) as { data: SeenAlert };
        alerts.set(String(request.headers['webhook-id']), data);
        response.writeHead(204).end();
      } catch {
        response.writeHead(401).end();
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    secret,
    get alerts() {
      return [...alerts.values()];
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
