// `npm test [-- vitest arguments]`: unit and integration tests, with every real program this machine has.
// STEWARD_TEST_INSTALL=1 installs the missing ones first and then allows no skip.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install, installCommand, missingPackages } from './test-programs.ts';

const wantsAll = process.env.STEWARD_TEST_INSTALL === '1';
if (wantsAll) install(missingPackages());
const missing = missingPackages();

const folder = mkdtempSync(join(tmpdir(), 'steward-test-'));
const report = join(folder, 'report.json');
const code = await run('vitest', [
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
const { skipped, passed, failed, skippedNames } = summary(report);
rmSync(folder, { recursive: true, force: true });

if (skippedNames.length > 0) console.log(`Skipped:\n${skippedNames.map((name) => `  ${name}`).join('\n')}`);
if (missing.length > 0)
  console.log(
    `Some real parts are not on this machine. As root on Debian this adds them:\n  ${installCommand(missing)}`,
  );
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
const skipRefused = wantsAll && skipped > 0;
if (skipRefused) console.error('STEWARD_TEST_INSTALL=1 allows no skipped test.');
process.exitCode = code !== 0 || failed > 0 || passed === 0 || skipRefused ? 1 : 0;

interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skippedNames: readonly string[];
}

function summary(path: string): Summary {
  interface Assertion {
    readonly status: string;
    readonly fullName: string;
  }
  try {
    const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as {
      testResults: { assertionResults: Assertion[] }[];
    };
    const all = testResults.flatMap(({ assertionResults }) => assertionResults);
    const count = (status: string): number => all.filter((assertion) => assertion.status === status).length;
    const skippedOnes = all.filter(({ status }) => status !== 'passed' && status !== 'failed');
    return {
      passed: count('passed'),
      failed: count('failed'),
      skipped: skippedOnes.length,
      skippedNames: skippedOnes.map(({ fullName }) => fullName),
    };
  } catch {
    return { passed: 0, failed: 1, skipped: 0, skippedNames: [] };
  }
}

function run(program: string, args: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(program, args, { stdio: 'inherit' });
  child.on('error', reject);
  child.on('close', (exitCode) => resolve(exitCode ?? 1));
  return promise;
}
