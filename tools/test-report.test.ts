import { expect, it } from 'vitest';
import { greenTheSecondTime, merged, redFiles, summaryOf, type TestReport } from './test-report.ts';

function file(name: string, ...statuses: string[]): TestReport['files'][number] {
  return {
    name,
    status: statuses.includes('failed') || statuses.length === 0 ? 'failed' : 'passed',
    assertionResults: statuses.map((status, at) => ({ status, fullName: `says ${at}` })),
  };
}

const first: TestReport = {
  files: [file('a', 'passed', 'passed'), file('b', 'passed', 'failed'), file('c', 'failed'), file('d')],
};

it('runs again what had a test that failed, and what could not be loaded', () => {
  expect(redFiles(first)).toEqual(['b', 'c', 'd']);
  expect(summaryOf(first)).toEqual({ passed: 3, failed: 3, skippedNames: [] });
});

it('counts a file as it was the second time, and names what was red before', () => {
  const second: TestReport = { files: [file('b', 'passed', 'passed'), file('c', 'failed'), file('d', 'passed')] };
  expect(summaryOf(merged(first, second))).toEqual({ passed: 5, failed: 1, skippedNames: [] });
  expect(greenTheSecondTime(first, second)).toEqual(['b: says 1', 'd']);
});

it('stays red where the second run did not reach a file', () => {
  expect(summaryOf(merged(first, { files: [file('b', 'passed', 'passed')] }))).toMatchObject({ failed: 2 });
  expect(greenTheSecondTime(first, { files: [] })).toEqual([]);
});

it('names what was skipped', () => {
  expect(summaryOf({ files: [file('a', 'passed', 'skipped', 'todo')] })).toEqual({
    passed: 1,
    failed: 0,
    skippedNames: ['says 1', 'says 2'],
  });
});
