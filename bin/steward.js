#!/usr/bin/env node
// Starts Steward on a Node that can run it. Plain JavaScript that an old Node understands too:
// nothing else is imported before the version is known.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundled = join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  if (process.argv[2] === 'serve') {
    keepSmall();
    markRunning();
  } else {
    enableCompileCache();
  }
  await import('../src/cli.ts');
} else if (existsSync(bundled)) {
  // The bundled Node replaces this process for every purpose but its pid: same streams, same signals, same exit.
  const child = spawn(bundled, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal) process.kill(process.pid, signal);
    else process.exit(code === null ? 1 : code);
  });
} else {
  console.error(
    `Steward needs Node ${NEEDED_MAJOR} or newer; this is ${process.versions.node}, and the Node that Steward brings is not installed. ` +
      "Run 'npm ci' in the checkout, with install scripts allowed (without --ignore-scripts).",
  );
  process.exit(1);
}

// V8 lets 64 MB of garbage pile up before it looks, which a server that mostly waits never makes up for. How much is
// settled when Node starts, so this process becomes that Node: same pid, same streams.
function keepSmall() {
  const option = '--max-semi-space-size';
  const chosen = process.execArgv.concat(process.env.NODE_OPTIONS ?? '').some((given) => given.includes(option));
  if (chosen || process.execve === undefined || process.platform === 'win32') return;
  const args = [process.execPath, `${option}=8`, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, process.env);
}

// A command that is over in half a second spends most of it on compiling. What is kept lies beside the code it was made
// of: whoever can alter it there can alter the code, which is not so in a shared temporary folder.
function enableCompileCache() {
  nodeModule.enableCompileCache(join(root, 'node_modules', '.cache', 'steward-compiled'));
}

// tools/prepare.js refuses to replace node_modules while a server runs from it.
function markRunning() {
  const folder = join(root, 'node_modules', '.steward-running');
  const mark = join(folder, String(process.pid));
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(mark, '');
    process.on('exit', () => rmSync(mark, { force: true }));
  } catch {
    // A tree that cannot be written to is not going to be reinstalled by this user either.
  }
}
