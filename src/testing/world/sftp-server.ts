import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, hasProgram, startProgram } from './start-program.ts';
import { tempFolder } from './temp-folder.ts';

const run = promisify(execFile);

export interface SftpServer extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  /** A folder of the server's, for what a test puts there. */
  readonly folder: string;
  /** The command that restic is to speak SFTP with; `identity` is the key file of who may come in by default. */
  command(identity?: string): string;
  /** A key that the server does not know. */
  readonly strangersKey: string;
  stop(): Promise<void>;
}

export function sftpMissing(): string | undefined {
  return hasProgram('sshd') && hasProgram('ssh') ? undefined : 'needs sshd and ssh';
}

/** A real sshd on a port of its own, which knows one key. */
export async function startSftp(): Promise<SftpServer> {
  const folder = await tempFolder('sftp');
  const file = (name: string): string => join(folder.path, name);
  for (const key of ['host', 'known', 'stranger'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', file(key)]);
  await writeFile(file('authorized'), await readFile(file('known.pub')), { mode: 0o600 });
  await mkdir(file('files'));
  const port = await freePort();
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${file('host')}`,
    `AuthorizedKeysFile ${file('authorized')}`,
    `PidFile ${file('pid')}`,
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin yes',
    // The folder of a test lies in /tmp, which others may write to.
    'StrictModes no',
    'UsePAM no',
    'Subsystem sftp internal-sftp',
  ];
  await writeFile(file('sshd.conf'), `${settings.join('\n')}\n`);
  // sshd refuses to start without the folder that it locks its children into.
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(file('known_hosts'), `[127.0.0.1]:${port} ${await readFile(file('host.pub'), 'utf8')}`);
  const sshd = await startProgram({
    program: '/usr/sbin/sshd',
    args: ['-D', '-e', '-f', file('sshd.conf')],
    ready: { port },
  });
  const { username } = userInfo();
  const stop = async (): Promise<void> => {
    await sshd.stop();
    await folder.remove();
  };
  return {
    port,
    user: username,
    folder: file('files'),
    strangersKey: file('stranger'),
    command: (identity = file('known')) =>
      `ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile=${file('known_hosts')} -i ${identity} -p ${port} ${username}@127.0.0.1 -s sftp`,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
