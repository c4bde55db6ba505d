import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { databaseUrlOf } from './config/database-url.ts';
import type { Environment } from './config/environment.ts';
import { StewardError } from './core/errors.ts';
import { localActor } from './local-actor.ts';
import { withStore } from './local-store.ts';
import type { LocalCommand } from './surfaces/cli/index.ts';

const SERVES_WITHIN_MS = 60_000;

/** Commands that need no server. What they need is loaded when they run, so that the others start fast. */
export function localCommands(environment: Environment): LocalCommand[] {
  return [
    {
      words: ['serve'],
      summary: 'Runs Steward on this machine until it is stopped.',
      options: [
        { flags: '--config <file>', summary: 'The configuration, instead of steward.yaml in the data folder.' },
      ],
      async run({ options }) {
        const { serve } = await import('./serve.ts');
        await serve({ environment, configFile: text(options['config']), stdout: process.stdout });
        // DBOS and drivers keep handles that have nothing left to do.
        setImmediate(() => process.exit());
      },
    },
    {
      words: ['doctor'],
      summary: 'Looks at what Steward itself needs, and says what is missing with the command that mends it.',
      async run() {
        const { examine } = await import('./doctor.ts');
        return await examine(environment);
      },
    },
    {
      words: ['config', 'validate'],
      summary: 'Checks a configuration file and names every problem with its line and column.',
      arguments: [{ name: 'file', summary: 'By default the one Steward would use.' }],
      async run({ arguments: [file] }) {
        const { configLocation, validateConfigFile } = await import('./config/load.ts');
        const path = file === undefined ? configLocation(environment).file : resolve(file);
        const { inspectConfig } = await import('./workflows-from-config.ts');
        await validateConfigFile(path, inspectConfig);
        return { file: path, valid: true };
      },
    },
    ...(['uptime-kuma', 'gatus'] as const).map((kind): LocalCommand => ({
      words: ['import', kind],
      summary:
        kind === 'gatus'
          ? 'Shows what a configuration of Gatus would be in steward.yaml, and adds it there with --write.'
          : 'Shows what a backup (1.x) or the database (2.x) of Uptime Kuma would be in steward.yaml, and adds it there with --write.',
      arguments: [
        {
          name: 'file',
          summary: kind === 'gatus' ? 'Its YAML file.' : 'The JSON of a backup, or kuma.db.',
          required: true,
        },
      ],
      options: [{ flags: '--write', summary: 'Add it to steward.yaml; the file as it was is kept beside it.' }],
      async run({ arguments: [source = ''], options }) {
        const { importFile } = await import('./import/index.ts');
        return await importFile(kind, { source, write: options['write'] === true, environment, now: new Date() });
      },
    })),
    {
      words: ['admin', 'create'],
      summary: 'Makes an administrator, or gives one a new password; works without a running Steward.',
      arguments: [{ name: 'name', summary: 'How the administrator signs in.', required: true }],
      options: [
        { flags: '--password-file <file>', summary: 'Where the password stands; without it one is made and printed.' },
      ],
      async run({ arguments: [name = ''], options }) {
        const file = text(options['passwordFile']);
        const { readFile } = await import('node:fs/promises');
        const password = file === undefined ? undefined : (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
        return await withStore(environment, async ({ store, audit }) => {
          const { createAdmin } = await import('./systems/identity/accounts.ts');
          const made = await createAdmin(store, { name, password, now: new Date() });
          await audit.append({
            action: 'user.admin-created',
            actor: localActor(),
            subject: { kind: 'user', id: made.name },
            outcome: 'succeeded',
            from: 'local',
          });
          return made;
        });
      },
    },
    {
      words: ['node', 'join'],
      summary:
        'Makes this machine one more node of a store that has others, with what steward node invite printed there.',
      arguments: [{ name: 'address', summary: 'A node that runs: https://first-node:3000.' }],
      options: [
        {
          flags: '--token <token>',
          summary: 'The invitation; better STEWARD_JOIN_TOKEN, which other users cannot see.',
        },
        { flags: '--database-url <address>', summary: 'The database itself, where no node that runs can be reached.' },
      ],
      async run({ arguments: [address], options }) {
        const token = text(options['token']) ?? environment.joinToken;
        if (token === undefined)
          throw new StewardError('INPUT_INVALID', 'A node joins with a token.', {
            hint: 'On a node that runs: steward node invite',
          });
        const { joinNode } = await import('./node-join.ts');
        const databaseUrl =
          text(options['databaseUrl']) ?? (address === undefined ? environment.databaseUrl : undefined);
        return await joinNode(environment, { token, address, databaseUrl });
      },
    },
    {
      words: ['restore-home'],
      summary: 'Makes the home of a Steward of a copy of it in a repository, on a machine where none runs.',
      options: [
        { flags: '--kit <file>', summary: 'The recovery kit: the page that steward backup kit printed.' },
        {
          flags: '--repository <place>',
          summary: 'Which of the kit; without a kit a folder, or an address as restic has it.',
        },
        {
          flags: '--key-file <file>',
          summary: 'Where the key of the repository stands, instead of the one of the kit.',
        },
        {
          flags: '--option <option>',
          summary: 'Of restic, instead of the one that the kit has: sftp.command=ssh -i key backup@host -s sftp.',
        },
        { flags: '--copy <id>', summary: 'Which copy; by default the newest.' },
        { flags: '--new-keys', summary: 'Go on without the keys of the lost Steward: what it sealed stays closed.' },
      ],
      async run({ options }) {
        const { recordRestore, restoreHome } = await import('./restore-home.ts');
        const stop = new AbortController();
        for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
        const restored = await restoreHome(
          environment,
          {
            kit: text(options['kit']),
            repository: text(options['repository']),
            keyFile: text(options['keyFile']),
            option: text(options['option']),
            copy: text(options['copy']),
            newKeys: options['newKeys'] === true,
          },
          { say: (line) => void process.stderr.write(`${line}\n`), signal: stop.signal },
        );
        await recordRestore(environment, restored);
        return restored;
      },
    },
    {
      words: ['mcp'],
      summary: 'Serves an AI assistant over stdio, by the Steward that runs; whatever the token, as an agent.',
      options: [
        {
          flags: '--toolsets <names>',
          summary: 'Which tools: default, incidents, runs, ... or all; separated by commas.',
        },
        { flags: '--read-only', summary: 'Nothing that changes anything.' },
        { flags: '--url <address>', summary: 'Another Steward than the one of this home; also STEWARD_URL.' },
        { flags: '--token <token>', summary: 'The token to use; better STEWARD_TOKEN, which other users cannot see.' },
      ],
      async run({ options }) {
        const { serveMcp } = await import('./mcp-command.ts');
        await serveMcp(environment, {
          toolsets: text(options['toolsets']),
          readOnly: options['readOnly'] === true,
          url: text(options['url']),
          token: text(options['token']),
          stdin: process.stdin,
          stdout: process.stdout,
        });
      },
    },
    {
      words: ['game-day'],
      summary:
        'Injects faults into a scratch stack of containers, under a Steward of its own, and prints what was healed.',
      options: [
        { flags: '--list', summary: 'Which faults there are, and what is expected of each; nothing is started.' },
        { flags: '--only <names>', summary: 'Only these faults, separated by commas.' },
        { flags: '--seed <number>', summary: 'The same order of the faults as in the game day with this seed.' },
        { flags: '--at-least <percent>', summary: 'Fail below this automation rate.', default: '95' },
        { flags: '--report <file>', summary: 'Also write the report there: JSON, and beside it Markdown.' },
        { flags: '--keep', summary: 'Leave the stack and its Steward as they are at the end, to look at them.' },
        { flags: '--no-healing', summary: 'Only watch: shows what would go wrong without healing.' },
        { flags: '--clean', summary: 'Only remove what a game day left that was cut off.' },
      ],
      async run({ options, json }) {
        const { runGameDay } = await import('./game-day/command.ts');
        return await runGameDay({ environment, options, json, stdout: process.stdout, stderr: process.stderr });
      },
    },
    {
      words: ['game-day', 'history'],
      summary: 'The game days of this Steward, with their automation rates, the latest first.',
      async run() {
        const { history } = await import('./game-day/report.ts');
        return await history(environment.home);
      },
    },
    {
      words: ['completion'],
      summary: 'Prints what makes the shell complete the words of steward, or puts it where the shell finds it.',
      arguments: [{ name: 'shell', summary: 'bash, zsh or fish.', required: true }],
      options: [{ flags: '--install', summary: 'Write it to its place in your home folder.' }],
      async run({ arguments: [name], options, json }) {
        const { PLACES, SCRIPTS, SHELLS } = await import('./surfaces/cli/completion-scripts.ts');
        const shell = SHELLS.find((each) => each === name);
        if (shell === undefined)
          throw new StewardError('INPUT_INVALID', `There is no completion for ${name}.`, {
            hint: `Expected ${SHELLS.join(', ')}.`,
          });
        const script = SCRIPTS[shell];
        if (options['install'] !== true) {
          if (json) return { script };
          process.stdout.write(script);
          return undefined;
        }
        const { mkdir, writeFile } = await import('node:fs/promises');
        const path = resolve(homedir(), PLACES[shell].path);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, script);
        return { file: path, next: PLACES[shell].next };
      },
    },
    ...SERVICE.map(({ verb, words, summary }): LocalCommand => ({
      words,
      summary,
      ...(verb === 'install' ? { options: [{ flags: '--print', summary: 'Print the unit and change nothing.' }] } : {}),
      async run({ options, json }) {
        const [{ createServiceUnit }, { createPrograms }] = await Promise.all([
          import('./adapters/service-unit/index.ts'),
          import('./adapters/programs/index.ts'),
        ]);
        const unit = createServiceUnit({
          node: process.execPath,
          launcher: resolve(import.meta.dirname, '../bin/steward.js'),
          home: environment.home,
          config: environment.configFile,
          scope: process.getuid?.() === 0 ? 'system' : 'user',
          userHome: homedir(),
          programs: createPrograms({ environment: environment.inherited }),
        });
        if (options['print'] === true) {
          if (json) return { path: unit.path, text: unit.text };
          // As it would be written, so that it can be redirected into a file.
          process.stdout.write(unit.text);
          return undefined;
        }
        if (verb === 'remove') return { done: await unit.remove() };
        const prepared =
          (await databaseUrlOf(environment)) === undefined ? await prepareStoreUser(environment.home) : [];
        return { done: [...prepared, ...(await unit.install()), await waitForServer(environment.home)] };
      },
    })),
  ];
}

const SERVICE = [
  { verb: 'install', words: ['service', 'install'], summary: 'Keeps Steward running under systemd.' },
  { verb: 'remove', words: ['service', 'remove'], summary: 'Takes Steward out of systemd; its data stays.' },
  {
    verb: 'install',
    words: ['setup-automation-cron'],
    summary: 'Another name of service install: the schedules are in Steward, and no crontab is written.',
  },
] as const;

/** The unit keeps /etc from being written to, so the users that PostgreSQL and throw-away servers run as are made before it starts. */
async function prepareStoreUser(home: string): Promise<string[]> {
  const [{ openHome, runningServer }, { pgHome }, { scratchAccount }] = await Promise.all([
    import('./config/home.ts'),
    import('./store/pg-home.ts'),
    import('./store/pg-account.ts'),
  ]);
  if (await runningServer(home)) return [];
  const opened = await openHome(home, new Date());
  const said: string[] = [];
  try {
    await scratchAccount(pgHome(home), (line) => said.push(line));
  } finally {
    await opened.release();
  }
  return said;
}

/** That systemd started it says little; that it answers is what was wanted. */
async function waitForServer(home: string): Promise<string> {
  const [{ runningServer }, { setTimeout: sleep }] = await Promise.all([
    import('./config/home.ts'),
    import('node:timers/promises'),
  ]);
  for (let waited = 0; waited < SERVES_WITHIN_MS; waited += 500) {
    const server = await runningServer(home);
    if (server) return `Steward answers on ${server.url}`;
    await sleep(500);
  }
  throw new StewardError(
    'UNAVAILABLE',
    `The unit is installed and started, and Steward does not serve within ${SERVES_WITHIN_MS / 1_000} s.`,
    {
      hint: 'See what it says: journalctl -u steward (with --user where it was installed by a user).',
    },
  );
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
