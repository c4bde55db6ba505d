import { chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { type Home, readMcpFiles } from './mcp-files.ts';

describe('tool servers that files name', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let home: Home;
  beforeEach(async () => {
    folder = await tempFolder();
    home = { user: 'ada', uid: process.getuid?.() ?? 0, folder: folder.path };
  });
  afterEach(() => folder.remove());
  const write = async (path: string, content: unknown): Promise<string> => {
    const file = join(folder.path, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };

  it('are found where assistants keep them, projects included', async () => {
    await write('work/shop/.mcp.json', { mcpServers: { shop: { command: './tools/serve' } } });
    await write('.claude.json', {
      mcpServers: { github: { command: 'npx', args: ['-y', '@modelcontextprotocol/server-github'] } },
      projects: {
        [join(folder.path, 'work/shop')]: { mcpServers: { docs: { type: 'sse', url: 'https://docs.example/sse' } } },
      },
    });
    await write('.vscode/mcp.json', { servers: { local: { type: 'http', url: 'http://localhost:8931/mcp' } } });

    const found = await readMcpFiles([home]);

    expect(found.map(({ file: _, ...server }) => server)).toEqual([
      { name: 'github', transport: 'stdio', program: 'npx @modelcontextprotocol/server-github', user: 'ada' },
      { name: 'docs', transport: 'sse', address: 'https://docs.example/sse', user: 'ada' },
      { name: 'local', transport: 'http', address: 'http://localhost:8931/mcp', user: 'ada' },
      { name: 'shop', transport: 'stdio', program: 'serve', user: 'ada' },
    ]);
  });

  it('keep their secrets', async () => {
    await write('.mcp.json', {
      mcpServers: {
        one: { command: 'npx', args: ['hunter2-token=abc'], env: { API_KEY: 'hunter2' } },
        two: { command: '/opt/run', args: ['--token', 'hunter2'] },
        three: { url: 'https://me:hunter2@x.example/mcp?key=hunter2', headers: { authorization: 'Bearer hunter2' } },
      },
    });
    const found = await readMcpFiles([home]);
    expect(found).toHaveLength(3);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });

  it('are read of no link, no file of somebody else, and nothing that is no JSON of that kind', async () => {
    const real = await write('elsewhere.json', { mcpServers: { hidden: { command: 'x' } } });
    await symlink(real, join(folder.path, '.mcp.json'));
    await write('.cursor/mcp.json', 'not json');
    await write('.vscode/mcp.json', { mcpServers: [{ command: 'x' }], servers: { odd: 7, empty: { command: '' } } });
    await write('.claude.json', { mcpServers: { far: { url: 'file:///etc/passwd' } }, projects: { relative: null } });
    expect(await readMcpFiles([home])).toEqual([]);
    expect(await readMcpFiles([{ ...home, folder: join(folder.path, 'nobody') }])).toEqual([]);
  });

  it.skipIf(process.getuid?.() !== 0)('are not read through a folder that leads to another user', async () => {
    const file = await write('other/mcp.json', { mcpServers: { theirs: { command: 'x' } } });
    await chown(file, 12_345, 12_345);
    await symlink(join(folder.path, 'other'), join(folder.path, '.cursor'));
    expect(await readMcpFiles([home])).toEqual([]);
    expect(await readMcpFiles([{ ...home, uid: 12_345 }])).toMatchObject([{ name: 'theirs' }]);
  });

  it('are found in TOML, under every usual name, and with the process that was started for them', async () => {
    await write(
      '.codex/config.toml',
      '[mcp_servers.notes]\ncommand = "node"\nargs = ["/srv/notes.js", "--token", "hunter2"]\n',
    );
    await write('.config/zed/settings.json', { context_servers: { near: { command: '/opt/near' } } });
    await write('.gemini/settings.json', { mcpServers: { files: { command: 'npx', args: ['-y', '@acme/files@2'] } } });
    const process = (pid: number, argv: string[], uid = home.uid) => ({ pid, argv, uid }) as unknown as ProcessInfo;
    const found = await readMcpFiles(
      [home],
      [
        process(1, ['node', '/srv/notes.js', '--token', 'hunter2'], home.uid + 1),
        process(2, ['/usr/bin/node', '/srv/notes.js', '--token', 'hunter2']),
        process(3, ['npm exec @acme/files@2']),
      ],
    );
    expect(found.map(({ name, pid }) => [name, pid])).toEqual([
      ['files', 3],
      ['notes', 2],
      ['near', undefined],
    ]);
    expect(JSON.stringify(found)).not.toContain('hunter2');
  });
});
