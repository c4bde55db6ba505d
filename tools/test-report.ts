import { readFileSync } from 'node:fs';

interface Assertion {
  readonly status: string;
  readonly fullName: string;
}

/** A file of tests as vitest's JSON report has it. */
interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly Assertion[];
}

export interface TestReport {
  readonly files: readonly FileResult[];
}

export interface Summary {
  readonly passed: number;
  readonly failed: number;
  readonly skippedNames: readonly string[];
}

/** Nothing where the run did not get as far as to write one. */
export function readReport(path: string): TestReport | undefined {
  try {
    const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as { testResults: FileResult[] };
    return { files: testResults };
  } catch {
    return undefined;
  }
}

/** Files with a test that failed, or that could not be loaded. */
export function redFiles({ files }: TestReport): string[] {
  return files.filter(isRed).map(({ name }) => name);
}

/** The first report, with the files that were run again as they are in the second. */
export function merged(first: TestReport, second: TestReport): TestReport {
  const again = new Map(second.files.map((file) => [file.name, file]));
  return { files: first.files.map((file) => again.get(file.name) ?? file) };
}

/** The tests that failed in the first run, of files that were all green in the second. */
export function greenTheSecondTime(first: TestReport, second: TestReport): string[] {
  const green = new Set(second.files.filter((file) => !isRed(file)).map(({ name }) => name));
  return first.files
    .filter(({ name }) => green.has(name))
    .flatMap(({ name, assertionResults }) => {
      const failed = assertionResults.filter(({ status }) => status === 'failed');
      return failed.length === 0 ? [name] : failed.map(({ fullName }) => `${name}: ${fullName}`);
    });
}

export function summaryOf({ files }: TestReport): Summary {
  const all = files.flatMap(({ assertionResults }) => assertionResults);
  const count = (status: string): number => all.filter((assertion) => assertion.status === status).length;
  return {
    passed: count('passed'),
    // A file that could not be loaded has no test that could have failed.
    failed: count('failed') + files.filter((file) => isRed(file) && !file.assertionResults.some(hasFailed)).length,
    skippedNames: all
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName }) => fullName),
  };
}

function hasFailed({ status }: Assertion): boolean {
  return status === 'failed';
}

function isRed({ status, assertionResults }: FileResult): boolean {
  return status === 'failed' || assertionResults.some(hasFailed);
}
