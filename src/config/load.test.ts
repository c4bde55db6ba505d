import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backupRepositories, backupSources } from '../compose/backups-from-config.ts';
import type { StewardError } from '../core/errors.ts';
import { readEnvironment } from './environment.ts';
import { saveLastGood } from './last-good.ts';
import { configLocation, loadConfig, parseConfig, readConfig, validateConfigFile } from './load.ts';
import { Config } from './schema.ts';

function refusal(text: string): string[] {
  try {
    parseConfig(text, { file: '/etc/steward/steward.yaml' });
  } catch (thrown) {
    expect(thrown).toMatchObject({ name: 'StewardError', code: 'CONFIG_INVALID', exitCode: 17 });
    return ((thrown as StewardError).problems ?? []).map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('parseConfig', () => {
  it.each([
    ['an empty file', ''],
    ['a comment', '# nothing yet\n'],
    ['null', 'null\n'],
    ['a byte order mark', '\uFEFF'],
    ['a section whose members are commented out', 'healing:\n#  mode: act\n'],
  ])('takes %s for the defaults', (_what, text) => {
    const { config } = parseConfig(text, { file: 'steward.yaml' });

    expect(config).toEqual(Config.parse({}));
  });

  it('takes text of every script', () => {
    const { config } = parseConfig('node:\n  name: "Bücherei 🐘"\n  labels: { größe: "日本" }\n', {
      file: 'steward.yaml',
    });

    expect(config.node).toEqual({ name: 'Bücherei 🐘', labels: { größe: '日本' } });
  });

  it('names line, column, member and what was expected, for every mistake at once', () => {
    const text = [
      'services:',
      '  - name: shop',
      '    checks:',
      '      - kind: http',
      '        url: http://127.0.0.1:8080',
      '        every: 5 minutes',
      '      - kind: tcp',
      '        port: 99999',
      'healing:',
      '  attempts: three',
    ].join('\n');

    expect(refusal(text)).toEqual([
      'steward.yaml:6:16 services.0.checks.0.every: expected a duration such as 30s, 5m or 1h30m',
      'steward.yaml:8:15 services.0.checks.1.port: expected at most 65535',
      'steward.yaml:10:13 healing.attempts: expected a number, found text',
    ]);
  });

  it.each([
    ['a key that is not known', 'servr:\n  port: 1\n', 'steward.yaml:1:1 servr: is not known: did you mean server?'],
    [
      'a key inside a check',
      'services:\n  - name: a\n    checks:\n      - {kind: tcp, port: 1, evry: 5s}\n',
      'steward.yaml:4:30 services.0.checks.0.evry: is not known: did you mean every?',
    ],
    [
      'a key that is like no other',
      'server:\n  zzz: 1\n',
      'steward.yaml:2:3 server.zzz: is not known: expected host, port, publicUrl, trustedProxies, tls',
    ],
    [
      'a choice',
      'healing:\n  mode: obsrve\n',
      "steward.yaml:2:9 healing.mode: expected one of act, observe; found 'obsrve': did you mean observe?",
    ],
    [
      'a kind',
      'services:\n  - name: a\n    checks:\n      - kind: htp\n',
      "steward.yaml:4:15 services.0.checks.0.kind: expected one of http, tcp, postgres, mysql, redis, dns, tls, smtp, icmp, models, process, processes, systemd, container, disk, inodes, memory, load, file, log, sqlite; found 'htp': did you mean http?",
    ],
    [
      'a missing member',
      'deadMan:\n  every: 60s\n',
      'steward.yaml:2:3 deadMan.url: is missing: expected an address such as https://example.org/path, or where it is: {env: NAME}, {file: /path} or {credential: name}',
    ],
    ['the wrong type', 'server: 5\n', 'steward.yaml:1:9 server: expected members (key: value), found a number'],
    [
      'a duration beyond its bounds',
      'monitoring:\n  every: 0s\n',
      'steward.yaml:2:10 monitoring.every: expected between 100ms and 1d',
    ],
    ['a tab', 'server:\n\tport: 4000\n', 'steward.yaml:2:1: expected spaces: YAML does not take tabs as indentation'],
    [
      'a key that stands twice',
      'server:\n  port: 1\n  port: 2\n',
      'steward.yaml:3:3: this key is already there; each may stand once',
    ],
    [
      'two documents',
      'server: {}\n---\nnode: {}\n',
      'steward.yaml:2:1: expected one document: remove this --- and what follows',
    ],
    ['a list', '- a\n', 'steward.yaml:1:1: expected members such as services: or alerts:'],
    ['an alias of nothing', 'server: *base\n', 'steward.yaml:1:9: there is no &base above this *base'],
    [
      'a member through an alias',
      'node:\n  labels: &l {a: [1]}\nservices:\n  - {name: a, labels: *l}\n',
      'steward.yaml:2:18 node.labels.a: expected text, found a list',
    ],
    [
      'two services of one name',
      'services:\n  - name: a\n  - name: a\n',
      "steward.yaml:3:11 services.1.name: 'a' is the name of an earlier entry",
    ],
    [
      'a dependency on nothing',
      'services:\n  - {name: a, dependsOn: [b]}\n',
      "steward.yaml:2:27 services.0.dependsOn.0: expected the name of a service in this file; there is no 'b'",
    ],
    [
      'sessions in what removes them itself',
      'backups:\n  sources: [{name: cache, kind: redis}]\ndatabases:\n  sessions:\n    - {source: cache, table: s, expires: e}\n',
      "steward.yaml:5:16 databases.sessions.0.source: expected a source of the kind postgres, mysql or sqlite; 'cache' is of the kind redis: Redis removes what has expired itself",
    ],
    [
      'a container that has a host as well',
      'backups:\n  sources: [{name: app, kind: postgres, host: db.example, container: shop-db-1}]\n',
      'steward.yaml:2:47 backups.sources.0.host: expected either host or container: the address of a container is asked for at each use',
    ],
    [
      'an age that a weekly copy passes each time',
      'backups:\n  schedule: weekly\n  maxAge: 7d\n',
      'steward.yaml:3:11 backups.maxAge: expected 8d at least: with the schedule weekly a copy is 7 days old before the next one is made',
    ],
    [
      'a table of sessions that stands twice',
      'backups:\n  sources: [{name: app, kind: postgres}]\ndatabases:\n  sessions:\n    - {source: app, table: s, expires: e}\n    - {source: app, table: s, expires: f}\n',
      "steward.yaml:6:28 databases.sessions.1.table: 's' is the table of an earlier entry",
    ],
    [
      'migrations of a source that is not there',
      'databases:\n  migrations:\n    - {name: shop, source: app, folder: /m}\n',
      "steward.yaml:3:28 databases.migrations.0.source: expected the name of one of backups.sources; there is no 'app'",
    ],
    [
      'a public address without protection',
      'server:\n  host: 0.0.0.0\n',
      "steward.yaml:2:9 server.host: expected a loopback address: '0.0.0.0' is public, so server.tls or server.trustedProxies must be set too",
    ],
  ])('explains %s', (_what, text, expected) => {
    expect(refusal(text)).toContain(expected);
  });

  it('refuses a secret in the file without repeating it', () => {
    const problems = refusal(
      'alerts:\n  channels:\n    - {name: hook, kind: webhook, url: https://example.org, secret: hunter2-hunter2}\n',
    );

    expect(problems).toEqual([expect.stringContaining('3:69 alerts.channels.0.secret: expected where the secret is')]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('refuses aliases that would fill the memory', () => {
    const levels = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'].map((pair) => pair.split('')))
      levels.push(`${to}: &${to} [${Array(10).fill(`*${from}`).join(', ')}]`);

    expect(refusal(levels.join('\n'))).toEqual([
      'steward.yaml:2:8: the aliases (*name) expand to more than a configuration can hold',
    ]);
  });

  it('survives nesting without end, and keeps the list of problems short', () => {
    const problems = refusal('['.repeat(50_000));

    expect(problems.length).toBeGreaterThan(0);
    expect(problems.length).toBeLessThanOrEqual(50);
  });

  it('lets the environment override the file, and blames the variable for its value', () => {
    const overrides = (port: string) => readEnvironment({ STEWARD_PORT: port }).overrides;

    const { config, origins } = parseConfig('server: {port: 4000, host: localhost}\n', {
      file: 'steward.yaml',
      overrides: overrides('5000'),
    });

    expect(config.server).toMatchObject({ port: 5000, host: 'localhost' });
    expect(Object.fromEntries(origins)).toEqual({ 'server.port': 'STEWARD_PORT', 'server.host': 'steward.yaml:1:28' });
    expect(() => parseConfig('', { file: 'steward.yaml', overrides: overrides('many') })).toThrow(
      'STEWARD_PORT server.port: expected a number, found text',
    );
  });

  it('lets a variable reach a member below a member, and leaves what is beside it', () => {
    const { config } = parseConfig('backups: {verification: {all: true}}\n', {
      file: 'steward.yaml',
      overrides: readEnvironment({ MAX_VERIFICATION_TIME: '120', BACKUP_RETENTION_DAYS: '14' }).overrides,
    });

    expect(config.backups.verification).toEqual({ all: true, limit: '120s' });
    expect(config.backups.retention).toMatchObject({ within: '14d' });
  });

  it('takes a database that variables name for a source, unless the file has one of that name', () => {
    const { overrides } = readEnvironment({ POSTGRES_HOST: 'db', POSTGRES_USER: 'ops', POSTGRES_PASSWORD: 'pw' });
    const hosts = (text: string) =>
      parseConfig(text, { file: 'steward.yaml', overrides }).config.backups.sources.map((source) => [
        source.name,
        'host' in source ? source.host : undefined,
        'password' in source ? source.password : undefined,
      ]);

    expect(hosts('')).toEqual([['postgres', 'db', { env: 'POSTGRES_PASSWORD' }]]);
    expect(hosts('backups: {sources: [{name: kv, kind: redis}]}')).toEqual([
      ['kv', '127.0.0.1', undefined],
      ['postgres', 'db', { env: 'POSTGRES_PASSWORD' }],
    ]);
    expect(hosts('backups: {sources: [{name: postgres, kind: postgres, host: mine}]}')).toEqual([
      ['postgres', 'mine', undefined],
    ]);
  });

  it('takes the staging server and the credentials of S3 that variables name, for whoever names none', () => {
    const { overrides } = readEnvironment({
      POSTGRES_HOST_STAGING: 'staging',
      POSTGRES_USER_STAGING: 'tester',
      POSTGRES_PASSWORD_STAGING: 'pw',
      SPACES_ACCESS_KEY: 'key',
      SPACES_SECRET_KEY: 'secret',
    });
    const text = `backups:
  sources: [{name: a, kind: postgres}, {name: b, kind: postgres, drillOn: {host: mine}}, {name: kv, kind: redis}]
  repositories:
    - {name: spaces, kind: restic, url: 's3:https://s3.example/one', env: {AWS_DEFAULT_REGION: x}}
    - {name: own, kind: restic, url: 's3:https://s3.example/two', env: {AWS_PROFILE: own}}
    - {name: disk, kind: restic, url: /srv/restic}
`;
    const { config } = parseConfig(text, { file: 'steward.yaml', overrides });

    const drills = backupSources(config).map((source) => ('drillOn' in source ? source.drillOn : undefined));
    expect(drills.slice(0, 3)).toEqual([
      expect.objectContaining({
        host: 'staging',
        user: 'tester',
        port: 5432,
        password: { env: 'POSTGRES_PASSWORD_STAGING' },
      }),
      expect.objectContaining({ host: 'mine', port: 5432 }),
      undefined,
    ]);
    expect(backupRepositories(config, '/home').map((each) => 'env' in each && each.env)).toEqual([
      {
        AWS_DEFAULT_REGION: 'x',
        AWS_ACCESS_KEY_ID: { env: 'SPACES_ACCESS_KEY' },
        AWS_SECRET_ACCESS_KEY: { env: 'SPACES_SECRET_KEY' },
      },
      { AWS_PROFILE: 'own' },
      {},
    ]);
  });

  it('says what is missing where variables name half of it', () => {
    const { overrides } = readEnvironment({ POSTGRES_USER_STAGING: 'tester' });
    expect(() => parseConfig('', { file: 'steward.yaml', overrides })).toThrow(/backups\.staging\.host|staging/);
  });

  it('numbers policy rules that have no id', () => {
    const { config } = parseConfig(
      'policy:\n  - {automation: restart-service, decision: observe}\n  - {id: mine, effect: write, decision: propose, why: Ask first.}\n',
      { file: 'steward.yaml' },
    );

    expect(config.policy.map(({ id, decision }) => [id, decision])).toEqual([
      ['configured-1', 'observe'],
      ['mine', 'propose'],
    ]);
  });
});

describe('files', () => {
  let home: string;
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'steward-config-'));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  const location = () => configLocation({ home, configFile: undefined });

  it('has the option stand before the variable, and that before the data folder', () => {
    expect(configLocation({ home: '/h', configFile: '/e.yaml' }, '/o.yaml')).toEqual({ file: '/o.yaml', named: true });
    expect(configLocation({ home: '/h', configFile: '/e.yaml' })).toEqual({ file: '/e.yaml', named: true });
    expect(configLocation({ home: '/h', configFile: undefined })).toEqual({ file: '/h/steward.yaml', named: false });
  });

  it('does without a file, unless somebody named it', async () => {
    expect((await readConfig(location(), [])).source).toBe('defaults');
    await expect(validateConfigFile(join(home, 'gone.yaml'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: `${home}/gone.yaml does not exist.`,
    });
  });

  it('reads a megabyte and refuses more', async () => {
    const comment = `# ${'x'.repeat(1_000)}\n`;
    const big = join(home, 'big.yaml');
    await writeFile(big, `server: {port: 4000}\n${comment.repeat(1_040)}`);
    expect((await validateConfigFile(big)).server.port).toBe(4000);

    await writeFile(big, comment.repeat(1_100));

    await expect(validateConfigFile(big)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('at most 1048576 are read'),
    });
  });

  it('names a folder, and bytes that are no text', async () => {
    await mkdir(join(home, 'steward.yaml'));
    await writeFile(join(home, 'bytes.yaml'), Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]));

    await expect(readConfig(location(), [])).rejects.toThrow('is a folder');
    await expect(validateConfigFile(join(home, 'bytes.yaml'))).rejects.toThrow('is not valid UTF-8');
  });

  it('names a file that may not be read', async () => {
    await writeFile(location().file, '');
    await chmod(location().file, 0);
    const asRoot = process.geteuid?.() === 0;
    // Root may read everything, so an ordinary user has to try.
    if (asRoot) process.seteuid?.(65_534);

    const reading = readConfig(location(), []).finally(() => asRoot && process.seteuid?.(0));

    await expect(reading).rejects.toThrow('may not be read by the user that runs Steward');
  });

  it('starts on the last good configuration when the file is broken, and says what is wrong', async () => {
    await saveLastGood(home, location().file, { server: { port: 4444 } });
    await writeFile(location().file, 'server:\n  port: many\n');

    const loaded = await loadConfig(location(), { home, overrides: [] });

    expect(loaded).toMatchObject({
      source: 'last-good',
      config: { server: { port: 4444 } },
      problem: { code: 'CONFIG_INVALID', message: 'steward.yaml:2:9 server.port: expected a number, found text' },
    });
  });

  it('refuses to start on a broken file where nothing good is known, or only about another file', async () => {
    await writeFile(location().file, 'server:\n  port: many\n');
    await expect(loadConfig(location(), { home, overrides: [] })).rejects.toMatchObject({ exitCode: 17 });

    await saveLastGood(home, '/etc/other.yaml', {});

    await expect(loadConfig(location(), { home, overrides: [] })).rejects.toMatchObject({ exitCode: 17 });
  });
});

describe('groups', () => {
  const withGroups = (...lines: string[]): string[] =>
    refusal(['services: [{ name: a }, { name: b }]', 'groups:', ...lines.map((line) => `  - ${line}`)].join('\n'));

  it('takes groups of services, heartbeats, labels and groups', () => {
    const { config } = parseConfig(
      [
        'services: [{ name: a }, { name: b, dependsOn: [all] }]',
        'heartbeats: { jobs: [{ name: backup, every: 1d }] }',
        'groups:',
        '  - { name: two-of-three, members: [a, b, backup], atLeast: 2, alertMembers: false }',
        '  - { name: all, members: [two-of-three], membersWith: [tier=web] }',
      ].join('\n'),
      { file: 'steward.yaml' },
    );
    expect(config.groups).toMatchObject([
      { name: 'two-of-three', atLeast: 2, alertMembers: false },
      { name: 'all', members: ['two-of-three'], alertMembers: true },
    ]);
  });

  it.each([
    [
      ['{ name: g, members: [a, nobody] }'],
      "steward.yaml:3:29 groups.0.members.1: expected the name of a service, a heartbeat or a group in this file; there is no 'nobody'",
    ],
    [['{ name: g, members: [g] }'], 'steward.yaml:3:26 groups.0.members.0: expected no circle: g has g'],
    [['{ name: a, members: [b] }'], "steward.yaml:3:13 groups.0.name: 'a' is the name of a service or a heartbeat"],
    [
      ['{ name: g, members: [a, b], atLeast: 3 }'],
      'steward.yaml:3:42 groups.0.atLeast: expected at most 2, as many as there are members',
    ],
    [['{ name: g, membersWith: [web] }'], 'steward.yaml:3:30 groups.0.membersWith.0: expected a label as key=value'],
  ])('refuses %j', (lines, problem) => {
    expect(withGroups(...lines)).toEqual([problem]);
  });

  it('refuses a circle wherever it leads through, by name or by label', () => {
    expect(
      withGroups(
        '{ name: x, members: [y] }',
        '{ name: y, membersWith: [role=z] }',
        '{ name: z, members: [x], labels: { role: z } }',
      ),
    ).toEqual([
      'steward.yaml:3:26 groups.0.members.0: expected no circle: x has y has z has x',
      'steward.yaml:4:29 groups.1.membersWith: expected no circle: y has z has x has y',
      'steward.yaml:5:26 groups.2.members.0: expected no circle: z has x has y has z',
    ]);
  });
});
