import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { AS_ROOT } from '../config-files/readable.ts';
import { plainTree } from '../config-files/tree.ts';
import { readTraefikFiles } from './index.ts';
import { partsOfRule } from './rules.ts';

describe('the configuration of Traefik, on files as its documentation writes them', () => {
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
  const read = async (
    file: string | undefined,
    args: readonly string[] = [],
    containers: readonly ContainerInfo[] = [],
  ) => await readTraefikFiles(file, { args, folder: folder.path, reader: AS_ROOT, owner: { pid: 1 }, containers });
  const DYNAMIC = {
    yaml: `http:
  routers:
    shop:
      rule: "Host(\`shop.example.org\`) && PathPrefix(\`/api\`)"
      entryPoints: [websecure]
      service: shop
      tls: {}
    canary:
      rule: Host("canary.example.org")
      service: both
    dashboard:
      rule: Host(\`t.example.org\`)
      service: api@internal
  services:
    shop:
      loadBalancer:
        servers:
          - url: "http://127.0.0.1:3001"
          - url: "http://10.0.0.7:3001/"
    both:
      weighted:
        services:
          - { name: shop, weight: 3 }
tcp:
  routers:
    db: { rule: "HostSNI(\`*\`)", entryPoints: [postgres], service: db }
  services:
    db: { loadBalancer: { servers: [{ address: "10.0.0.9:5432" }] } }
tls:
  certificates:
    - certFile: /etc/ssl/shop.pem
      keyFile: /etc/ssl/shop.key
`,
    toml: `[http.routers.shop]
  rule = "Host(\`shop.example.org\`) && PathPrefix(\`/api\`)"
  entryPoints = ["websecure"]
  service = "shop"
  [http.routers.shop.tls]

[http.routers."canary"]
  rule = 'Host("canary.example.org")'
  service = "both"

[http.services.shop.loadBalancer]
  [[http.services.shop.loadBalancer.servers]]
    url = "http://127.0.0.1:3001"
  [[http.services.shop.loadBalancer.servers]]
    url = "http://10.0.0.7:3001/"
[[http.services.both.weighted.services]]
  name = "shop"
  weight = 3

[tcp.routers.db]
  rule = "HostSNI(\`*\`)"
  entryPoints = ["postgres"]
  service = "db"
[[tcp.services.db.loadBalancer.servers]]
  address = "10.0.0.9:5432"

[[tls.certificates]]
  certFile = "/etc/ssl/shop.pem"
  keyFile = "/etc/ssl/shop.key"
`,
  };

  it.each([
    ['yaml', [3, 8, 26]],
    ['toml', [1, 7, 20]],
  ] as const)('gives its routers, servers and certificates (%s)', async (kind, [shop, canary, db]) => {
    const dynamic = await write(`dynamic/site.${kind}`, DYNAMIC[kind]);
    const main = await write(
      'traefik.yml',
      `entryPoints:
  web: { address: ":80" }
  websecure: { address: ":443", http: { tls: {} } }
  postgres: { address: "127.0.0.1:5432/tcp" }
providers:
  file: { directory: dynamic }
`,
    );
    const found = await read(main);
    expect(found.problems).toEqual([]);
    expect(found.files).toEqual([main, dynamic]);
    expect(found.certificates).toMatchObject([{ file: '/etc/ssl/shop.pem', place: { file: dynamic } }]);
    expect(found.routes).toMatchObject([
      {
        hosts: ['shop.example.org'],
        path: '/api',
        tls: true,
        ports: [443],
        upstreams: [
          { scheme: 'http', address: '127.0.0.1', port: 3001 },
          { address: '10.0.0.7', port: 3001 },
        ],
        place: { file: dynamic, line: shop },
      },
      {
        hosts: ['canary.example.org'],
        tls: false,
        ports: [80, 443, 5432],
        upstreams: [{ port: 3001 }, {}],
        place: { line: canary },
      },
      {
        hosts: [],
        path: '',
        ports: [5432],
        upstreams: [{ scheme: 'tcp', address: '10.0.0.9', port: 5432 }],
        place: { line: db },
      },
    ]);
  });

  it('follows the labels of containers where its arguments say so', async () => {
    const container = (name: string, labels: Record<string, string>, port?: number): ContainerInfo =>
      ({
        id: `id-${name}`,
        name,
        labels,
        ports: port ? [{ container: port, host: undefined, protocol: 'tcp' }] : [],
      }) as unknown as ContainerInfo;
    const containers = [
      container(
        'shop',
        {
          'traefik.enable': 'true',
          'traefik.http.routers.shop.rule': 'Host(`shop.example.org`)',
          'traefik.http.routers.shop.tls.certresolver': 'le',
        },
        8000,
      ),
      container('wiki', { 'traefik.http.routers.wiki.rule': 'Host(`wiki.example.org`)' }, 80),
      container(
        'api',
        {
          'traefik.enable': 'true',
          'traefik.http.routers.a.rule': 'PathPrefix(`/v1`)',
          'traefik.http.services.b.loadbalancer.server.port': '9000',
        },
        80,
      ),
      container('bare', { 'traefik.enable': 'true', 'traefik.http.routers.bare.rule': 'Host(`bare.example.org`)' }),
    ];
    const args = ['--providers.docker', '--providers.docker.exposedbydefault=false', '--entrypoints.web.address=:8080'];
    const { routes, problems } = await read(undefined, args, containers);
    expect(
      routes.map(({ hosts, path, tls, ports, upstreams: [to] }) => [
        hosts[0],
        path,
        tls,
        ports,
        to?.container,
        to?.port,
      ]),
    ).toEqual([
      ['shop.example.org', '/', true, [8080], 'id-shop', 8000],
      [undefined, '/v1', false, [8080], 'id-api', 9000],
    ]);
    expect(problems).toEqual([{ file: 'labels of bare', line: 0, message: expect.stringContaining('says no port') }]);
    expect((await read(undefined, [], containers)).routes).toEqual([]);
  });

  it('is read around what is broken or only known at run time', async () => {
    const main = await write('traefik.toml', '[providers.file]\n  directory = "d"\n');
    const broken = await write('d/a.toml', '[http\nsecret = "hunter2"\n');
    const template = await write('d/b.yml', 'http:\n  routers: {{ range $i }}\n');
    const odd = await write(
      'd/c.yaml',
      'http:\n  routers:\n    one: { rule: "HostRegexp(`^x.*`)", service: gone }\n    two: { rule: "!Host(`a`)", service: s@docker }\n',
    );
    const found = await read(main);
    expect(found.routes).toEqual([]);
    expect(found.problems).toEqual([
      { file: broken, line: expect.any(Number), message: 'this is no valid TOML' },
      { file: template, line: 1, message: expect.stringContaining('template') },
      { file: odd, line: 3, message: expect.stringContaining('HostRegexp') },
      { file: odd, line: 3, message: expect.stringContaining('gone, which no file has') },
      { file: odd, line: 4, message: expect.stringContaining('Host') },
      { file: odd, line: 4, message: expect.stringContaining('another provider') },
    ]);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });

  it('reads rules of both generations', () => {
    expect(partsOfRule('(Host(`a.example`,`b.example`) || Host("c.example")) && PathPrefix(`/x`, `/y`)')).toEqual({
      hosts: ['a.example', 'b.example', 'c.example'],
      paths: ['/x', '/y'],
      patterns: [],
    });
    expect(partsOfRule('HostSNI(`*`)')).toEqual({ hosts: [], paths: [], patterns: [] });
    expect(partsOfRule('x'.repeat(100_000))).toEqual({ hosts: [], paths: [], patterns: [] });
    expect(Object.keys(plainTree(JSON.parse('{"__proto__": {"x": 1}}'), 'f').entries())).toHaveLength(1);
  });
});
