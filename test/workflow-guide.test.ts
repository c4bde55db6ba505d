import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../src/config/load.ts';
import { inspectConfig } from '../src/workflows-from-config.ts';

const guide = await readFile(new URL('../docs/guides/workflows.md', import.meta.url), 'utf8');
const examples = [...guide.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);

describe('the guide to workflows', () => {
  it('has examples', () => expect(examples.length).toBeGreaterThan(2));

  it.each(examples)('shows what Steward takes: %s', (text) => {
    const { config } = parseConfig(text, { file: 'steward.yaml', inspect: inspectConfig });
    expect(config.workflows.custom.length).toBeGreaterThan(0);
  });
});
