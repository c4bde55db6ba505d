// Imported before Steward by `killedAt`: ends its process right before it first does this to a file, as kill -9 does.
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const { call, path } = JSON.parse(process.env['TEST_KILL_AT'] ?? '') as { call: 'rename'; path: string };
const real = files[call];
files[call] = async (...paths) => {
  if (paths.some((each) => each === path)) process.kill(process.pid, 'SIGKILL');
  return await real(...paths);
};
syncBuiltinESMExports();
