import { afterEach, describe, expect, it } from 'vitest';
import { httpServers } from '../../testing/world/http-server.ts';
import { createOutbound } from './outbound.ts';

describe('outbound requests', () => {
  const servers = httpServers();
  const { serve } = servers;
  afterEach(() => servers.close());

  it('does not call this machine unless that is meant, and says how to mean it', async () => {
    let asked = 0;
    const port = await serve((_request, response) => {
      asked += 1;
      response.end('hello');
    });
    const outbound = createOutbound();

    for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1']) {
      await expect(outbound.request({ url: `http://${host}:${port}/` }), host).rejects.toMatchObject({
        code: 'FORBIDDEN',
        hint: expect.stringContaining('allowPrivate: true'),
      });
    }

    expect(asked).toBe(0);
    await expect(outbound.request({ url: `http://127.0.0.1:${port}/`, allowPrivate: true })).resolves.toMatchObject({
      status: 200,
      body: 'hello',
    });
  });

  it.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[fe80::1]/',
    'http://0.0.0.0/',
    'http://[::ffff:169.254.169.254]/',
  ])('never calls %s', async (url) => {
    await expect(createOutbound().request({ url, allowPrivate: true })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('Steward never calls one'),
    });
  });

  it('refuses a name of which one address is forbidden', async () => {
    const outbound = createOutbound({ lookup: async () => ['93.184.216.34', '169.254.169.254'] });

    await expect(outbound.request({ url: 'http://two-faced.example/' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining('two-faced.example is 169.254.169.254'),
    });
  });

  it('connects to the address it checked, whatever the name says a moment later', async () => {
    const port = await serve((request, response) => response.end(request.headers.host));
    let asked = 0;
    // The first answer is what is checked; a second question would be answered with another place.
    const outbound = createOutbound({ lookup: async () => (asked++ === 0 ? ['127.0.0.1'] : ['169.254.169.254']) });

    const { body } = await outbound.request({ url: `http://rebinding.example:${port}/`, allowPrivate: true });

    expect(body).toBe(`rebinding.example:${port}`);
    expect(asked).toBe(1);
  });

  it('gives a redirect as the answer unless it may follow, and checks every address it follows to', async () => {
    const port = await serve((request, response) => {
      const to = {
        '/inside': '/end',
        '/metadata': 'http://169.254.169.254/',
        '/file': 'file:///etc/passwd',
        '/loop': '/loop',
      }[request.url ?? ''];
      if (to) response.writeHead(302, { location: to }).end();
      else response.end('end');
    });
    const outbound = createOutbound();
    const get = (path: string, maxRedirects: number) =>
      outbound.request({ url: `http://127.0.0.1:${port}${path}`, allowPrivate: true, maxRedirects });

    await expect(get('/inside', 0)).resolves.toMatchObject({ status: 302 });
    await expect(get('/inside', 1)).resolves.toMatchObject({ status: 200, body: 'end' });
    await expect(get('/loop', 3)).resolves.toMatchObject({ status: 302 });
    await expect(get('/metadata', 3)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(get('/file', 3)).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('never sends the body of a POST to where a redirect leads', async () => {
    const seen: string[] = [];
    const port = await serve((request, response) => {
      seen.push(request.url ?? '');
      response.writeHead(307, { location: '/elsewhere' }).end();
    });

    const { status } = await createOutbound().request({
      url: `http://127.0.0.1:${port}/`,
      method: 'POST',
      body: 'x',
      allowPrivate: true,
      maxRedirects: 5,
    });

    expect(status).toBe(307);
    expect(seen).toEqual(['/']);
  });

  it('gives up on a peer that does not answer, and on one that never ends', async () => {
    const silent = await serve(() => undefined);
    const endless = await serve((_request, response) => {
      const timer = setInterval(() => response.write('x'), 10);
      response.on('close', () => clearInterval(timer));
    });

    for (const port of [silent, endless]) {
      await expect(
        createOutbound().request({ url: `http://127.0.0.1:${port}/`, allowPrivate: true, timeoutMs: 200 }),
      ).rejects.toMatchObject({
        code: 'TIMEOUT',
        retryable: true,
      });
    }
  });

  it('gives up on a name that takes too long to look up', async () => {
    const outbound = createOutbound({ lookup: () => Promise.withResolvers<readonly string[]>().promise });

    await expect(outbound.request({ url: 'http://slow.example/', timeoutMs: 100 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('reads no more than it was told to', async () => {
    const port = await serve((_request, response) => response.end(Buffer.alloc(5_000_000, 'x')));

    const { body, truncated } = await createOutbound().request({
      url: `http://127.0.0.1:${port}/`,
      allowPrivate: true,
      maxResponseBytes: 1_000,
    });

    expect(body).toHaveLength(1_000);
    expect(truncated).toBe(true);
  });

  it('says that nobody listens, without the secret part of the address', async () => {
    const port = await servers.goneFrom();

    const request = createOutbound().request({
      url: `http://127.0.0.1:${port}/services/T000/B000/secret`,
      allowPrivate: true,
    });

    await expect(request).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      message: `http://127.0.0.1:${port} cannot be reached: ECONNREFUSED.`,
    });
  });

  it('stops at once when it is canceled', async () => {
    const port = await serve(() => undefined);
    const canceling = new AbortController();

    const request = createOutbound().request({
      url: `http://127.0.0.1:${port}/`,
      allowPrivate: true,
      signal: canceling.signal,
    });
    canceling.abort();

    await expect(request).rejects.toMatchObject({ code: 'CANCELED' });
  });

  it('turns user and password of the address into a header', async () => {
    const port = await serve((request, response) => response.end(request.headers.authorization));

    const { body } = await createOutbound().request({ url: `http://me:p%40ss@127.0.0.1:${port}/`, allowPrivate: true });

    expect(Buffer.from(body.replace('Basic ', ''), 'base64').toString()).toBe('me:p@ss');
  });

  it.each(['ftp://example.org/', 'file:///etc/passwd', 'nonsense'])('refuses %s', async (url) => {
    await expect(createOutbound().request({ url })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});
