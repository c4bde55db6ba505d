import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProxyRoute } from '../../core/declared.ts';
import { hasProgram } from '../../testing/world/start-program.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { AS_ROOT } from '../config-files/readable.ts';
import { plainTree } from '../config-files/tree.ts';
import { readCaddyFile } from './index.ts';
import { routesOfJson } from './json.ts';

const run = promisify(execFile);

/** host, path and where it ends; what both forms of a configuration say. */
const ways = (routes: readonly ProxyRoute[]): string[] =>
  [
    ...new Set(
      routes.flatMap(({ hosts, path, upstreams }) =>
        (hosts.length > 0 ? hosts : ['*']).flatMap((host) =>
          upstreams.map(({ scheme, address, port }) => `${host}${path} ${scheme} ${address}:${port ?? ''}`),
        ),
      ),
    ),
  ].toSorted();

describe('a Caddyfile', () => {
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

  it.skipIf(!hasProgram('caddy'))('says what Caddy itself adapts it to, and in which line', async () => {
    const main = await write(
      'Caddyfile',
      `{
	email ada@example.org # nobody
	servers {
		timeouts {
			read_body 10s
		}
	}
}

(logged) {
	log
	reverse_proxy /status 127.0.0.1:9100
}

shop.example.org, www.shop.example.org {
	import logged
	encode gzip
	@api path /api/* /v2/*
	reverse_proxy @api 127.0.0.1:3001 127.0.0.1:3002
	handle_path /admin/* {
		reverse_proxy https://10.0.0.5
	}
	reverse_proxy 127.0.0.1:3000 {
		header_up Host "{host}"
		to app:3100
	}
}
http://plain.example.org:8080 {
	php_fastcgi unix//run/php/fpm.sock
	file_server
}
:8443 {
	reverse_proxy :7000
}
import sites/*
`,
    );
    const site = await write('sites/wiki.caddy', 'wiki.example.org {\n\treverse_proxy \\\n\t\tlocalhost:4000\n}\n');

    const { stdout } = await run('caddy', ['adapt', '--config', main, '--adapter', 'caddyfile']);
    const theirs = routesOfJson(plainTree(JSON.parse(stdout), 'adapted'));
    const { routes, problems, files } = await readCaddyFile(main, AS_ROOT, undefined);

    expect(problems).toEqual([]);
    // Caddy makes three routes of php_fastcgi, the last with the pattern of PHP files as its path.
    expect(ways(routes)).toEqual(ways(theirs.routes).map((way) => way.replace('*.php', '/').replace('/*.php', '/')));
    expect(files).toEqual([main, site]);
    expect(routes.find(({ path }) => path === '/api/')?.place).toEqual({ file: main, line: 19 });
    expect(routes.find(({ hosts }) => hosts[0] === 'wiki.example.org')).toMatchObject({
      tls: true,
      ports: [443],
      place: { file: site, line: 2 },
    });
    expect(routes.find(({ hosts }) => hosts[0] === 'plain.example.org')).toMatchObject({ tls: false, ports: [8080] });
    expect(routes.find(({ ports }) => ports[0] === 8443)).toMatchObject({ hosts: [], tls: false });
  });

  it('of one site needs no braces, and what only the running Caddy knows is told', async () => {
    const main = await write(
      'Caddyfile',
      `example.org
tls /etc/ssl/site.pem /etc/ssl/site.key
reverse_proxy /a {$BACKEND:localhost:1}
reverse_proxy /b {env.B}
reverse_proxy /c localhost:3000
`,
    );
    const { routes, certificates, problems } = await readCaddyFile(main, AS_ROOT, undefined);
    expect(routes).toMatchObject([{ hosts: ['example.org'], path: '/c', place: { line: 5 } }]);
    expect(certificates).toMatchObject([{ file: '/etc/ssl/site.pem', hosts: ['example.org'], place: { line: 2 } }]);
    expect(problems.map(({ line, message }) => [line, message])).toEqual([
      [3, expect.stringContaining('placeholder')],
      [4, expect.stringContaining('placeholder')],
    ]);
  });

  it('is read around what is broken, with file and line', async () => {
    const main = await write(
      'Caddyfile',
      '(loop) {\n\timport loop\n}\na.example {\n\timport loop\n\timport broken.caddy\n\timport missing.caddy\n\treverse_proxy localhost:1\n}\n{$HOST} {\n}\n',
    );
    const broken = await write('broken.caddy', 'handle {\n\trespond "no end\n');
    const { routes, problems } = await readCaddyFile(main, AS_ROOT, undefined);
    expect(routes).toMatchObject([{ hosts: ['a.example'], place: { line: 8 } }]);
    expect(problems).toEqual([
      { file: main, line: 2, message: 'loop imports itself' },
      { file: broken, line: 2, message: 'a text in " is not closed' },
      { file: main, line: 7, message: expect.stringContaining('does not exist') },
      { file: main, line: 10, message: expect.stringContaining('{$HOST}') },
    ]);
  });

  it('may be JSON', async () => {
    const file = await write(
      'caddy.json',
      JSON.stringify({
        apps: {
          http: {
            servers: {
              one: {
                listen: [':443'],
                routes: [
                  {
                    match: [{ host: ['x.example'] }],
                    handle: [{ handler: 'reverse_proxy', upstreams: [{ dial: 'app:80' }, { dial: '{env.X}' }] }],
                  },
                ],
              },
            },
          },
          tls: { certificates: { load_files: [{ certificate: '/c.pem', key: '/c.key' }] } },
        },
      }),
    );
    expect(await readCaddyFile(file, AS_ROOT, undefined)).toMatchObject({
      routes: [{ hosts: ['x.example'], tls: true, upstreams: [{ address: 'app', port: 80 }] }],
      certificates: [{ file: '/c.pem' }],
    });
    const broken = await write('broken.json', '{');
    expect((await readCaddyFile(broken, AS_ROOT, undefined)).problems).toMatchObject([
      { message: 'this is no valid JSON' },
    ]);
  });
});
