import { readEnvironment } from './config/environment.ts';
import { describedCommands } from './described-commands.ts';
import { buildCli } from './surfaces/cli/index.ts';
import { localCommands } from './local-commands.ts';
import { offlineOperations } from './offline-operations.ts';
import { placeCommand } from './place-command.ts';
import { verifyExport } from './verify-export.ts';
import { ask, readAll } from './terminal-input.ts';
import { version } from './version.ts';

const environment = readEnvironment();
const args = process.argv.slice(2);

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (thrown: NodeJS.ErrnoException) => {
    // A server goes on although nobody reads its log, or the disk it is written to is full.
    if (args[0] === 'serve') return;
    // `steward services | head` has shown all that was wanted.
    process.exit(thrown.code === 'EPIPE' ? 0 : 1);
  });
}

const cli = buildCli({
  described: describedCommands,
  // Loads all of Steward, which takes many times as long as anything else here.
  catalogOf: async () => (await import('./describe.ts')).describeCatalog(environment),
  offline: offlineOperations(environment),
  instead: { 'audit-verify': verifyExport(environment), 'probe-service': placeCommand() },
  local: localCommands(environment),
  home: environment.home,
  version,
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  ...(process.stdin.isTTY && process.stderr.isTTY && { prompt: ask }),
  stdin: readAll,
});

process.exitCode = await cli.run(args);
