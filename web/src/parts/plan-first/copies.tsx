import { Button, Code, CopyButton, SegmentedControl, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { asCommand, asCurl, asWorkflow } from './copies.ts';
import type { Wanted } from './wanted.ts';

const WAYS = {
  cli: {
    label: 'Command line',
    of: asCommand,
    about: 'On a machine that runs Steward, or with --url and STEWARD_TOKEN.',
  },
  curl: { label: 'curl', of: asCurl, about: 'With a token of yours in STEWARD_TOKEN.' },
  workflow: {
    label: 'Workflow',
    of: asWorkflow,
    about: 'For steward.yaml; add triggers to start it by the clock or by an event.',
  },
} as const;
type Way = keyof typeof WAYS;

/** The same without the dashboard. */
export function Copies({ wanted }: { readonly wanted: Wanted }) {
  const [way, setWay] = useState<Way>('cli');
  const { of, about } = WAYS[way];
  const text = of(wanted, location.origin);
  return (
    <Stack gap="xs" align="stretch">
      <SegmentedControl
        size="xs"
        value={way}
        onChange={setWay}
        data={Object.entries(WAYS).map(([value, { label }]) => ({ value: value as Way, label }))}
        aria-label="Copy as"
      />
      <Code block tabIndex={0} aria-label={WAYS[way].label}>
        {text}
      </Code>
      <Text size="sm" c="dimmed">
        {about} It does not stop after the plan: where policy allows, it is done at once.
      </Text>
      <CopyButton value={text}>
        {({ copied, copy }) => (
          <Button size="xs" variant="default" onClick={copy}>
            {copied ? 'Copied' : 'Copy'}
          </Button>
        )}
      </CopyButton>
    </Stack>
  );
}
