// Before `npm start` and `npm test`: node_modules is what the lockfile says, the dashboard is built of its sources, and for
// development its types are those of openapi.json.
// Runs on the machine's own Node, whatever its version, and with nothing installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.steward-installed.json');
const withDev = process.argv.includes('--dev');
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

const installed = readStamp(stampFile);
if (installed.lock !== lock || (withDev && !installed.dev)) {
  refuseWhileRunning();
  console.log(
    `Installing what package-lock.json names${withDev ? '' : ', without the tools for development'}; this takes about half a minute.`,
  );
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...(withDev ? ['--include=dev'] : ['--omit=dev'])];
  const result = spawnSync(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    console.error(
      `'npm ${args.join(' ')}' ended with ${result.status === null ? result.signal : result.status}. Nothing was started. Run it by hand to see why.`,
    );
    process.exit(1);
  }
  writeFileSync(stampFile, JSON.stringify({ lock, dev: withDev }));
}

const web = join(root, 'web');
const builtFile = join(web, 'dist', '.steward-built.json');
const sources = hashOf([...filesBelow(join(web, 'src')), 'index.html', 'vite.config.ts'].sort());
const built = readStamp(builtFile);
if (built.sources !== sources || built.lock !== lock) {
  console.log('Building the dashboard; this takes some seconds.');
  const vite = join(dirname(createRequire(join(web, 'package.json')).resolve('vite/package.json')), 'bin', 'vite.js');
  const node = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  const result = spawnSync(node, [vite, 'build', '--logLevel', 'error'], { cwd: web, stdio: 'inherit' });
  if (result.status !== 0) {
    console.error("The dashboard could not be built: run 'npm run build -w web' to see why. Nothing was started.");
    process.exit(1);
  }
  writeFileSync(builtFile, JSON.stringify({ sources, lock }));
}

const contract = createHash('sha256')
  .update(readFileSync(join(root, 'openapi.json')))
  .digest('hex');
const typesFile = join(web, 'src', 'api', '.schema.json');
if (withDev && readStamp(typesFile).contract !== contract) {
  const typed = spawnSync('npm', ['run', '-s', 'contract', '-w', 'web'], { cwd: root, stdio: 'inherit' });
  if (typed.status !== 0) process.exit(1);
  writeFileSync(typesFile, JSON.stringify({ contract }));
}

/** What changes with every byte that the build reads, types and tests aside. */
function hashOf(files) {
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(web, file)))
      .update('\0');
  return hash.digest('hex');
}

function filesBelow(folder, name = 'src') {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesBelow(join(folder, entry.name), `${name}/${entry.name}`)
      : /\.(?:d|test)\.tsx?$/.test(entry.name)
        ? []
        : [`${name}/${entry.name}`],
  );
}

function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

function refuseWhileRunning() {
  const folder = join(modules, '.steward-running');
  if (!existsSync(folder)) return;
  const running = readdirSync(folder).map(Number).filter(isSteward);
  if (running.length === 0) return;
  console.error(
    `Steward runs from this checkout (process ${running.join(', ')}), and its packages have to be replaced first. ` +
      'Stop it (Ctrl-C, or systemctl stop steward), then run this again.',
  );
  process.exit(1);
}

function isSteward(pid) {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc/self') || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('steward');
  } catch (thrown) {
    return thrown.code === 'EPERM';
  }
}
