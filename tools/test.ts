// `npm test [-- vitest arguments]`: unit and integration tests, with every real program this machine has.
// STEWARD_TEST_INSTALL=1 installs the missing ones first and then allows no skip.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { install, installCommand, missingPackages } from './test-programs.ts';
import { greenTheSecondTime, merged, readReport, redFiles, summaryOf, type TestReport } from './test-report.ts';

/** More red files than this are no accident. */
const MOST_RUN_AGAIN = 5;

const wantsAll = process.env.STEWARD_TEST_INSTALL === '1';
if (wantsAll) install(missingPackages());
const missing = missingPackages();

const folder = mkdtempSync(join(tmpdir(), 'steward-test-'));
const { code, report, uncertain } = await runAll(process.argv.slice(2));
rmSync(folder, { recursive: true, force: true });

const { passed, failed, skippedNames } = report ? summaryOf(report) : { passed: 0, failed: 1, skippedNames: [] };
const skipped = skippedNames.length;
if (skipped > 0) console.log(`Skipped:\n${skippedNames.map((name) => `  ${name}`).join('\n')}`);
if (missing.length > 0)
  console.log(
    `Some real parts are not on this machine. As root on Debian this adds them:\n  ${installCommand(missing)}`,
  );
if (uncertain.length > 0)
  console.log(
    `Red at first and green when their files ran again. Each is a fault, of the test or of Steward, and to be mended:\n${uncertain.map((name) => `  ${name}`).join('\n')}`,
  );
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
const skipRefused = wantsAll && skipped > 0;
if (skipRefused) console.error('STEWARD_TEST_INSTALL=1 allows no skipped test.');
process.exitCode = code !== 0 || failed > 0 || passed === 0 || skipRefused ? 1 : 0;

interface Outcome {
  readonly code: number;
  readonly report?: TestReport;
  /** Tests that failed once. */
  readonly uncertain: readonly string[];
}

/**
 * In a run of everything, a few red files are run once more when nothing else runs: a machine that was too busy for a moment
 * is told from a fault, and both are said.
 */
async function runAll(args: readonly string[]): Promise<Outcome> {
  const first = await run(args);
  const red = first.report ? redFiles(first.report) : [];
  if (args.length > 0 || !first.report || red.length === 0 || red.length > MOST_RUN_AGAIN)
    return { ...first, uncertain: [] };
  console.log(`Once more, alone: ${red.join(', ')}`);
  const second = await run(red);
  if (!second.report) return { ...first, uncertain: [] };
  return {
    code: second.code,
    report: merged(first.report, second.report),
    uncertain: greenTheSecondTime(first.report, second.report),
  };
}

async function run(args: readonly string[]): Promise<{ readonly code: number; readonly report?: TestReport }> {
  const path = join(folder, 'report.json');
  rmSync(path, { force: true });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(
    'vitest',
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${path}`, ...args],
    { stdio: 'inherit' },
  );
  child.on('error', reject);
  child.on('close', (exitCode) => resolve(exitCode ?? 1));
  const code = await promise;
  const report = readReport(path);
  const here = (name: string): string => relative(process.cwd(), name);
  return {
    code,
    ...(report && { report: { files: report.files.map((file) => ({ ...file, name: here(file.name) })) } }),
  };
}
