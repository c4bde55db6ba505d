import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openGateway, openUpstream, routeTo, type TestGateway, type TestUpstream } from '../../testing/gateway.ts';

describe('the gateway behind a proxy', () => {
  let upstream: TestUpstream;
  let trusting: TestGateway;
  let alone: TestGateway;

  beforeAll(async () => {
    upstream = await openUpstream((request, response) => {
      response.setHeader('vary', 'Accept');
      response.end(JSON.stringify(request.headers));
    });
    const app = { targets: [upstream.origin] };
    const cors = {
      origins: ['https://app.example.org'],
      methods: ['GET'],
      headers: [],
      expose: [],
      credentials: true,
      maxAgeSeconds: 60,
    };
    const routes = [routeTo('app', { cors })];
    trusting = await openGateway({ routes, upstreams: { app }, trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] });
    alone = await openGateway({ routes, upstreams: { app } });
  });
  afterAll(async () => {
    await trusting.close();
    await alone.close();
    await upstream.close();
  });

  async function seen({ url }: TestGateway, headers: Readonly<Record<string, string>>): Promise<IncomingHttpHeaders> {
    return (await (await fetch(url, { headers })).json()) as IncomingHttpHeaders;
  }

  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['198.51.100.1, 203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, 10.1.2.3', '203.0.113.9'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['203.0.113.9:4711, 10.1.2.3:80', '203.0.113.9'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['10.1.2.3', '127.0.0.1'],
  ])('believes of it who asked: %s is %s', async (said, expected) => {
    expect((await seen(trusting, { 'x-forwarded-for': said }))['x-forwarded-for']).toBe(expected);
    expect((await seen(alone, { 'x-forwarded-for': said }))['x-forwarded-for']).toBe('127.0.0.1');
  });

  it.each([
    ['https', 'https'],
    ['HTTPS', 'https'],
    ['http, https', 'https'],
    ['https, http', 'http'],
    ['ftp', 'http'],
    ['', 'http'],
  ])('believes of it whether there was TLS: %j is %s', async (said, expected) => {
    expect((await seen(trusting, { 'x-forwarded-proto': said }))['x-forwarded-proto']).toBe(expected);
    expect((await seen(alone, { 'x-forwarded-proto': said }))['x-forwarded-proto']).toBe('http');
  });

  it('says beside what the upstream says for whom an answer is', async () => {
    const { headers } = await fetch(alone.url, { headers: { origin: 'https://app.example.org' } });
    expect(headers.get('vary')).toBe('Accept, Origin');
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.org');
  });
});
