import { Button } from '@mantine/core';

/** The report as a document that needs nothing besides itself, and as data. */
export function ReportFiles({ path }: { readonly path: `/api/v1/automation/reports/${string}` }) {
  return (
    <>
      <Button component="a" href={`${path}/file`} target="_blank" rel="noopener" variant="default">
        Open as a document
      </Button>
      <Button component="a" href={`${path}/file?format=json`} download variant="default">
        Download as JSON
      </Button>
    </>
  );
}
