import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';

// A type, not an interface: commander's options are an open record.
export type PlaceFlags = {
  readonly node?: string;
  readonly label?: readonly string[];
};

/** Where a run shall happen, for what no target ties to a machine. */
export function addPlace(command: Command): void {
  command
    .option('--node <name>', 'On this node.')
    .option(
      '--label <key=value>',
      'On a node that has this label; may be repeated.',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    );
}

export function placeOf({ node, label = [] }: PlaceFlags): object {
  if (node === undefined && label.length === 0) return {};
  const labels = label.map((text) => {
    const at = text.indexOf('=');
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)] as const;
    throw new StewardError('INPUT_INVALID', `--label ${text}: expected key=value.`, {
      hint: 'See the labels of each: steward nodes',
    });
  });
  return {
    place: { ...(node !== undefined && { node }), ...(labels.length > 0 && { labels: Object.fromEntries(labels) }) },
  };
}
