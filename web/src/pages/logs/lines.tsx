import { Text } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { VList, type VListHandle } from 'virtua';
import type { LogLine } from '../../live/lines.ts';
import classes from './lines.module.css';

/** So near to the end counts as at the end: whoever reads there wants what comes next. */
const AT_END_PX = 40;

let count = 0;
const numbers = new WeakMap<LogLine, number>();

/** Tells lines apart that read the same. */
function numberOf(line: LogLine): number {
  const known = numbers.get(line) ?? ++count;
  numbers.set(line, known);
  return known;
}

interface LinesProps {
  readonly lines: readonly LogLine[];
  /** Goes along with what comes, unless somebody scrolled away from the end. */
  readonly follow?: boolean;
  readonly none: string;
}

/** Lines from outside: text, whatever they say. */
export function Lines({ lines, follow = false, none }: LinesProps) {
  const list = useRef<VListHandle>(null);
  const atEnd = useRef(true);
  const offsetBefore = useRef(0);

  useEffect(() => {
    if (!follow || !atEnd.current || lines.length === 0) return;
    // The list measures itself in the frame after it was drawn first; before, it has no end to go to.
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => list.current?.scrollToIndex(lines.length - 1, { align: 'end' }));
    });
    return () => cancelAnimationFrame(frame);
  }, [lines, follow]);

  if (lines.length === 0) return <Text c="dimmed">{none}</Text>;
  return (
    <div className={classes.lines}>
      <VList
        ref={list}
        className={classes.list}
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label="Lines"
        onScroll={(offset) => {
          const { scrollSize = 0, viewportSize = 0 } = list.current ?? {};
          // Lines that come make the end farther away: only who scrolls back has left it.
          if (scrollSize - viewportSize - offset < AT_END_PX) atEnd.current = true;
          else if (offset < offsetBefore.current) atEnd.current = false;
          offsetBefore.current = offset;
        }}
      >
        {lines.map((line) => (
          <div key={numberOf(line)} className={classes.line} data-level={line.level}>
            <time dateTime={line.at}>{new Date(line.at).toLocaleTimeString()}</time>
            <span className={classes.component}>{line.component}</span>
            <span className={classes.level}>{line.level}</span>
            <span className={classes.text}>{line.text}</span>
          </div>
        ))}
      </VList>
    </div>
  );
}
