import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export interface ReceivedAlert {
  readonly kind: string;
  readonly severity: string;
  readonly title: string;
  readonly text: string;
  readonly service?: string;
  readonly incidentId?: string;
}

export interface AlertSink {
  readonly url: string;
  /** The signing secret, base64. */
  readonly secret: string;
  /** Each alert once, as a receiver that remembers ids sees them. A wrong signature is refused. */
  readonly alerts: readonly ReceivedAlert[];
  stop(): Promise<void>;
}

/** Somebody who is told: a receiver of signed webhooks. */
export async function startAlertSink(host = '127.0.0.1'): Promise<AlertSink> {
  const secret = randomBytes(32).toString('base64');
  const alerts = new Map<string, ReceivedAlert>();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      try {
        const told = new Webhook(secret).verify(body, request.headers as Record<string, string>) as {
          data: ReceivedAlert;
        };
        alerts.set(String(request.headers['webhook-id']), told.data);
        response.writeHead(204).end();
      } catch {
        response.writeHead(401).end();
      }
    });
  }).listen(0, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/alerts`,
    secret,
    get alerts() {
      return [...alerts.values()];
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
