// What one would write without Steward: fastify, its proxy, its rate limit, and jose for the tokens. Says its port when it serves.
import type { AddressInfo } from 'node:net';
import httpProxy from '@fastify/http-proxy';
import rateLimit from '@fastify/rate-limit';
import fastify from 'fastify';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [upstream = '', jwks = '', issuer = '', audience = ''] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(jwks));
const app = fastify();
await app.register(rateLimit, { max: 1_000_000_000, timeWindow: '1 minute' });
await app.register(httpProxy, {
  upstream,
  prefix: '/api',
  rewritePrefix: '/',
  async preHandler(request, reply) {
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    try {
      const { payload } = await jwtVerify(token, keys, { issuer, audience });
      request.headers['x-user-id'] = payload.sub ?? '';
      request.headers['x-user-plan'] = String(payload['plan']);
    } catch {
      return await reply.code(401).send({ error: 'Invalid token' });
    }
    return undefined;
  },
});
await app.listen({ host: '127.0.0.1', port: 0 });
console.log((app.server.address() as AddressInfo).port);
