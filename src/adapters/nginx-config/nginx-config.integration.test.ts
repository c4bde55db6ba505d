import { execFile } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasProgram } from '../../testing/world/start-program.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { AS_ROOT } from '../config-files/readable.ts';
import { readNginxFile } from './index.ts';

const run = promisify(execFile);
const NOBODY = 65_534;

describe.skipIf(!hasProgram('nginx'))('the configuration of an nginx that accepts it', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => folder.remove());
  const write = async (name: string, text: string): Promise<string> => {
    const file = join(folder.path, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const read = async (main: string) => await readNginxFile(main, AS_ROOT, undefined);
  /** The files that nginx itself read, in its order. */
  const accepted = async (main: string): Promise<string[]> => {
    const { stdout } = await run('nginx', ['-T', '-q', '-c', main, '-g', `pid ${folder.path}/pid; error_log stderr;`]);
    return [...stdout.matchAll(/^# configuration file (.*):$/gm)].map(([, file]) => file ?? '');
  };

  it('gives its ways in and where they end, with the line that says so', async () => {
    const main = await write(
      'nginx.conf',
      `events {}
http {
  upstream app { server 127.0.0.1:3001 weight=2; server 127.0.0.1:3002 backup; server 10.0.0.9 down; }
  include sites/*.conf;
  include none/*.conf;
}
`,
    );
    await write(
      'sites/a.conf',
      `server {
  listen 127.0.0.1:8080;
  server_name shop.example.org www.shop.example.org _;
  location / { proxy_pass http://127.0.0.1:3001/base; }
  location ^~ /api/ {
    # not ; this
    if ($request_method = POST) { proxy_pass http://127.0.0.1:3009; }
    proxy_pass "http://127.0.0.1:3001";
  }
  location ~ \\.php$ { fastcgi_pass unix:/run/php/fpm.sock; }
  location = /rpc { grpc_pass grpc://[::1]:50051; }
}
`,
    );
    await write('sites/b.conf', `server { listen [::]:8081; listen 8082; location /x { proxy_pass http://app; } }\n`);
    await write('sites/not-read.txt', 'this is no configuration');
    const found = await read(main);

    expect(found.files).toEqual(await accepted(main));
    expect(found.problems).toEqual([]);
    const at = (file: string, line: number) => ({ file: join(folder.path, file), line });
    expect(found.routes).toMatchObject([
      {
        hosts: ['shop.example.org', 'www.shop.example.org'],
        path: '/',
        ports: [8080],
        tls: false,
        upstreams: [{ scheme: 'http', address: '127.0.0.1', port: 3001 }],
        place: at('sites/a.conf', 4),
      },
      { path: '/api/', upstreams: [{ port: 3009 }], place: at('sites/a.conf', 7) },
      { path: '/api/', upstreams: [{ port: 3001 }], place: at('sites/a.conf', 8) },
      { path: String.raw`~ \.php$`, upstreams: [{ scheme: 'fastcgi', address: '/run/php/fpm.sock', port: undefined }] },
      { path: '/rpc', upstreams: [{ scheme: 'grpc', address: '::1', port: 50_051 }], place: at('sites/a.conf', 11) },
      {
        hosts: [],
        path: '/x',
        ports: [8081, 8082],
        upstreams: [
          { address: '127.0.0.1', port: 3001, place: at('nginx.conf', 3) },
          { address: '127.0.0.1', port: 3002, place: at('nginx.conf', 3) },
        ],
      },
    ]);
  });

  it('tells what only the running nginx knows, and guesses nothing', async () => {
    const main = await write(
      'nginx.conf',
      `events {}
http {
  resolver 127.0.0.1;
  map $host $pool { default 127.0.0.1:9; }
  server {
    listen 127.0.0.1:8080;
    server_name "~^(?<sub>.+)\\.example\\.org$";
    set $backend http://127.0.0.1:3000;
    location / { proxy_pass $backend; }
    location /b { proxy_pass http://$pool/b; }
    location /c { proxy_pass http://127.0.0.1:3000/$1; }
  }
}
`,
    );
    const found = await read(main);
    expect(await accepted(main)).toEqual([main]);
    expect(found.routes).toMatchObject([{ path: '/c', hosts: [], upstreams: [{ port: 3000 }] }]);
    expect(found.problems).toEqual([
      { file: main, line: 7, message: 'names given as a pattern are not listed' },
      { file: main, line: 9, message: expect.stringContaining('$backend') },
      { file: main, line: 10, message: expect.stringContaining('$pool') },
    ]);
  });

  it('is read around what is broken, with file and line', async () => {
    const good = 'server { listen 8080; location / { proxy_pass http://127.0.0.1:3000; } }\n';
    const main = await write(
      'nginx.conf',
      `events {}
http {
  include good.conf;
  include broken.conf;
  include loop.conf;
  include missing.conf;
  include huge.conf;
}
`,
    );
    await write('good.conf', good);
    const broken = await write('broken.conf', 'server {\n  listen 80\n  server_name x;\n  location / {\n');
    const loop = await write('loop.conf', 'include loop.conf;\n');
    await write('huge.conf', `# ${'x'.repeat(2 * 1024 * 1024)}\n`);

    const { routes, problems } = await read(main);

    expect(routes).toHaveLength(1);
    expect(problems).toEqual([
      { file: broken, line: 4, message: "a block is not closed with '}'" },
      { file: loop, line: 1, message: `${loop} includes itself` },
      { file: main, line: 6, message: expect.stringContaining('does not exist') },
      { file: main, line: 7, message: expect.stringContaining('is larger than') },
    ]);
  });

  it.skipIf(process.getuid?.() !== 0)('is read as its own user, and inside its own root', async () => {
    const hidden = await write('hidden.conf', 'server { listen 1; location / { proxy_pass http://127.0.0.1:1; } }');
    await chmod(hidden, 0o600);
    await chmod(folder.path, 0o755);
    const main = await write('nginx.conf', `events {}\nhttp { include ${hidden}; }\n`);
    const found = await readNginxFile(main, { root: '', uid: NOBODY, groups: [] }, undefined);
    expect(found.routes).toEqual([]);
    expect(found.problems).toMatchObject([{ line: 2, message: expect.stringContaining('its reader may not read it') }]);

    await symlink(hidden, join(folder.path, 'out.conf'));
    await symlink('../../../../../../../etc/hostname', join(folder.path, 'up.conf'));
    await write('inside.conf', 'events {}\nhttp { include /out.conf; include /up.conf; }\n');
    const inside = await readNginxFile('/inside.conf', { root: folder.path, uid: 0, groups: [] }, undefined);
    expect(inside.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('/out.conf is not read: it does not exist'),
      expect.stringContaining('/up.conf is not read: it does not exist'),
    ]);
  });

  it('names certificates, its own or those of all servers, and no key', async () => {
    const main = await write(
      'nginx.conf',
      `events {}
http {
  ssl_certificate /etc/ssl/all.pem;
  ssl_certificate_key /etc/ssl/all.key;
  server { listen 443 ssl; server_name a.example.org; }
  server { listen 8443 ssl; server_name b.example.org; ssl_certificate certs/b.pem; }
  server { listen 80; server_name c.example.org; }
  server { listen 444 ssl; ssl_certificate /etc/ssl/$ssl_server_name.pem; }
}
stream { server { listen 5432; proxy_pass 10.1.2.3:5432; } }
`,
    );
    const { certificates, problems, routes } = await read(main);
    expect(certificates.map(({ file, hosts }) => [file, hosts])).toEqual([
      ['/etc/ssl/all.pem', ['a.example.org']],
      [join(folder.path, 'certs/b.pem'), ['b.example.org']],
    ]);
    expect(problems).toMatchObject([{ line: 8, message: expect.stringContaining('$ssl_server_name') }]);
    expect(routes).toMatchObject([{ ports: [5432], upstreams: [{ scheme: 'tcp', address: '10.1.2.3', port: 5432 }] }]);
  });
});
