import { readEnvironment } from './config/environment.ts';
import { buildCli } from './surfaces/cli/index.ts';
import { localCommands, offlineOperations } from './local-commands.ts';
import { version } from './version.ts';

const environment = readEnvironment();

const cli = buildCli({
  // Everything is loaded only where a command needs the definitions.
  catalogOf: async () => (await import('./describe.ts')).describeCatalog(environment),
  offline: offlineOperations(environment),
  local: localCommands(environment),
  home: environment.home,
  version,
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
});

process.exitCode = await cli.run(process.argv.slice(2));
