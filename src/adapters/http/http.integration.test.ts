import { afterEach, describe, expect, it } from 'vitest';
import { httpServers } from '../../testing/world/http-server.ts';
import { createOutbound } from '../outbound/outbound.ts';
import { type AllowedHost, createHttp } from './index.ts';

describe('requests of automations', () => {
  const servers = httpServers();
  const { serve } = servers;
  afterEach(() => servers.close());
  const http = (...allow: AllowedHost[]) => createHttp({ outbound: createOutbound(), allow: () => allow });
  const open = (host: string): AllowedHost => ({ host, allowPrivate: true, secrets: [] });
  const get = { method: 'GET', timeoutMs: 2_000 } as const;
  const post = { method: 'POST', timeoutMs: 300, body: 'x' } as const;

  it('calls a private address where the configuration lists it, with or without its port', async () => {
    const port = await serve((_request, response) => response.end('hello'));
    const url = `http://127.0.0.1:${port}/`;
    for (const host of ['127.0.0.1', `127.0.0.1:${port}`])
      expect(await http(open(host)).request({ ...get, url })).toMatchObject({ status: 200, body: 'hello', url });
  });

  it.each(['127.0.0.1:1', 'localhost', '127.0.0.2', ''])(
    'refuses it where the list has %j instead, and says how to mean it',
    async (host) => {
      const url = `http://127.0.0.1:${await serve(() => undefined)}/`;
      await expect(http(open(host)).request({ ...get, url })).rejects.toMatchObject({
        code: 'POLICY_REFUSED',
        hint: expect.stringContaining('http.allow'),
      });
      expect(await http(open(host)).permit(url)).toMatchObject({ refused: expect.stringContaining('http.allow') });
    },
  );

  it('never calls a metadata address, whatever is listed', async () => {
    const url = 'http://169.254.169.254/latest/meta-data';
    await expect(http(open('169.254.169.254')).request({ ...get, url })).rejects.toMatchObject({
      code: 'POLICY_REFUSED',
    });
  });

  it('asks the list again for every redirect, and hands its headers to no other origin', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('other');
    });
    const first = await serve((_request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${other}/` }).end(),
    );
    const request = {
      ...get,
      url: `http://127.0.0.1:${first}/`,
      headers: { authorization: 'Bearer one' },
      redirects: 2,
    };

    await expect(http(open(`127.0.0.1:${first}`)).request(request)).rejects.toMatchObject({ code: 'POLICY_REFUSED' });
    expect(await http(open('127.0.0.1')).request(request)).toMatchObject({ body: 'other' });
    expect(seen).toEqual([undefined]);
  });

  it('tells which secrets may go where', async () => {
    const secret = { env: 'TOKEN' };
    const port = http({ host: 'crm.example:443', allowPrivate: false, secrets: [secret] });
    expect((await port.permit('https://crm.example/x')).secrets).toEqual([secret]);
    expect((await port.permit('http://crm.example/x')).secrets).toEqual([]);
    expect((await port.permit('https://crm.example.evil/x')).secrets).toEqual([]);
  });

  it('offers to send again only what cannot have arrived, or is harmless twice', async () => {
    const silent = `http://127.0.0.1:${await serve(() => undefined)}/`;
    const gone = await servers.goneFrom();
    const port = http(open('127.0.0.1'));

    await expect(port.request({ ...post, url: silent })).rejects.toMatchObject({ code: 'TIMEOUT', retryable: false });
    await expect(port.request({ ...post, url: silent, repeatable: true })).rejects.toMatchObject({ retryable: true });
    await expect(port.request({ ...post, method: 'PUT', url: silent })).rejects.toMatchObject({ retryable: true });
    await expect(port.request({ ...post, url: `http://127.0.0.1:${gone}/` })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
    });
  });
});
