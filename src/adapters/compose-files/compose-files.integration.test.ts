import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import { hasProgram } from '../../testing/world/start-program.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { readComposeProjects } from './index.ts';

const run = promisify(execFile);

describe('compose files', () => {
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
  const read = async () => {
    const [project] = await readComposeProjects([], [folder.path]);
    if (!project) throw new Error('no project was found');
    return project;
  };

  it.skipIf(!hasProgram('docker-compose'))('say what docker-compose itself makes of them', async () => {
    await write('.env', "TAG=1.4 # the one that works\nWEB_PORT='8088'\nEMPTY=\n");
    await write(
      'docker-compose.yml',
      `version: '2.4'
x-base: &base
  restart: unless-stopped
  networks: [back]
services:
  db:
    <<: *base
    image: \${REGISTRY:-docker.io}/postgres:\${TAG}
    healthcheck: { test: [CMD, pg_isready] }
  web:
    <<: *base
    image: web:\${EMPTY:-latest}
    ports: ['\${WEB_PORT}:80', '127.0.0.1:9000-9001:9000-9001', '3000']
    depends_on:
      db: { condition: service_healthy }
      cache: { condition: service_started }
    labels: ['a=b=c', 'price=$$5']
  cache:
    extends: { file: common.yml, service: cache }
    container_name: the-cache
  helper:
    image: helper
    network_mode: 'service:web'
networks:
  back: { name: shared-back }
`,
    );
    await write(
      'docker-compose.override.yml',
      "version: '2.4'\nservices:\n  web:\n    image: web:dev\n    links: [cache]\n",
    );
    await write('common.yml', "version: '2.4'\nservices:\n  cache:\n    image: redis\n    ports: ['6379:6379']\n");

    const { stdout } = await run('docker-compose', ['config'], { cwd: folder.path });
    const theirs = parse(stdout) as {
      services: Record<string, { image: string; ports?: (string | object)[]; depends_on?: object; labels?: object }>;
    };
    const { services, problems, files } = await read();

    expect(problems).toEqual([]);
    expect(files.map((file) => file.slice(folder.path.length + 1)).toSorted()).toEqual([
      'common.yml',
      'docker-compose.override.yml',
      'docker-compose.yml',
    ]);
    expect(Object.fromEntries(services.map(({ name, image }) => [name, image]))).toEqual(
      Object.fromEntries(Object.entries(theirs.services).map(([name, { image }]) => [name, image])),
    );
    const one = (name: string) => services.find((service) => service.name === name);
    expect(one('web')?.labels).toEqual({ a: 'b=c', price: '$5' });
    // As compose prints it, a dollar sign is doubled again.
    expect(theirs.services['web']?.labels).toEqual({ a: 'b=c', price: '$$5' });
    expect(one('web')).toMatchObject({
      ports: [8088, 9000, 9001],
      restart: 'unless-stopped',
      networks: [{ name: 'shared-back', place: { line: 4 } }],
      healthcheck: false,
      needs: [
        { service: 'db', by: 'depends_on', condition: 'service_healthy', place: { line: 15 } },
        { service: 'cache', by: 'depends_on', place: { line: 16 } },
        { service: 'cache', by: 'links', place: { file: join(folder.path, 'docker-compose.override.yml'), line: 5 } },
      ],
    });
    expect(one('db')?.healthcheck).toBe(true);
    expect(one('cache')).toMatchObject({ containerName: 'the-cache', ports: [6379] });
    expect(one('helper')?.needs).toMatchObject([{ service: 'web', by: 'network_mode' }]);
  });

  it('report what no file says, and read the rest', async () => {
    const file = await write(
      'compose.yaml',
      `name: shop
include:
  - parts/jobs.yaml
  - \${ELSEWHERE}/more.yaml
services:
  web:
    image: "web:\${TAG:?say which}"
    depends_on: [db, worker]
  db: { image: "postgres:\${PG:-16}", profiles: [debug] }
  ghost: { extends: { file: missing.yaml, service: x }, image: y }
  self: { extends: self }
`,
    );
    await write('parts/jobs.yaml', 'include: [../compose.yaml]\nservices:\n  worker: { image: "w:$VERSION" }\n');
    await write('parts/.env', 'VERSION=7');

    const { name, services, problems } = await read();

    expect(name).toBe('shop');
    expect(services.map((service) => [service.name, service.image])).toEqual([
      ['worker', 'w:7'],
      ['web', undefined],
      ['db', 'postgres:16'],
      ['ghost', 'y'],
      ['self', undefined],
    ]);
    expect(services.find((service) => service.name === 'db')?.profiles).toEqual(['debug']);
    expect(problems.map(({ line, message }) => `${line} ${message.replaceAll(folder.path, '')}`).toSorted()).toEqual([
      '1 /compose.yaml includes itself',
      '10 /missing.yaml is not read: it does not exist',
      '11 self extends itself',
      '4 this depends on ${ELSEWHERE}, which no .env file says',
      '4 what is included cannot be said',
      '7 this depends on ${TAG}, which no .env file says',
    ]);
    expect(problems.every((problem) => problem.file.startsWith(dirname(file)))).toBe(true);
  });

  it('are found by the labels of containers, and read even where an image lies about them', async () => {
    const file = await write('stack.yml', 'services:\n  a: { image: x }\n');
    const secret = await write('secret', 'hunter2: [\n');
    const container = (files: string): ContainerInfo =>
      ({
        labels: {
          'com.docker.compose.project': 'p',
          'com.docker.compose.project.working_dir': folder.path,
          'com.docker.compose.project.config_files': files,
        },
      }) as unknown as ContainerInfo;
    const projects = await readComposeProjects([container('stack.yml'), container('stack.yml'), container(secret)], []);
    expect(projects).toMatchObject([
      { name: 'p', files: [file], services: [{ name: 'a', place: { file, line: 2 } }], problems: [] },
      { name: 'p', services: [], problems: [{ message: expect.stringContaining('is not called .yaml') }] },
    ]);
    expect(JSON.stringify(projects)).not.toContain('hunter2');
  });

  it('that are broken or made to explode cost nothing', async () => {
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 12; level += 1)
      bomb.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(', ')}]`);
    await write('compose.yaml', `${bomb.join('\n')}\nservices:\n  web: { image: x, ports: *a11, depends_on: *a11 }\n`);
    expect((await read()).services).toHaveLength(1);
    const file = await write('compose.yaml', 'services:\n  web:\n    image: "hunter2\n   ports: [\n');
    expect(await read()).toMatchObject({
      services: [],
      problems: [{ file, line: expect.any(Number), message: expect.stringContaining('no valid YAML') }],
    });
    expect(JSON.stringify(await read())).not.toContain('hunter2');
  });
});
