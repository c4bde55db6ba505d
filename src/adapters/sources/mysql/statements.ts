/** Counts what a dump is made of as it passes. Values keep their newlines escaped, so a line begins where a statement does. */
export interface StatementCounter {
  add(chunk: Uint8Array): void;
  readonly tables: number;
  readonly inserts: number;
  /** Whether it ended as a whole dump ends. */
  readonly complete: boolean;
  /** Whether it began to tell of tables, which it does when its transaction is open. */
  readonly begun: boolean;
}

const TABLE = '\nCREATE TABLE ';
const INSERT = '\nINSERT INTO ';
const END = '-- Dump completed';
const BEGUN = [
  '\n-- Table structure',
  '\n-- Temporary table',
  '\n-- Temporary view',
  '\n-- Sequence structure',
  '\n-- Dumping',
  `\n${END}`,
];
const LONGEST = 32;

export function createStatementCounter(): StatementCounter {
  let rest = Buffer.alloc(0);
  const counter = { tables: 0, inserts: 0, complete: false, begun: false };
  return Object.assign(counter, {
    add(chunk: Uint8Array): void {
      const seen = rest.length;
      const text = Buffer.concat([rest, chunk]);
      counter.tables += occurrences(text, TABLE, seen);
      counter.inserts += occurrences(text, INSERT, seen);
      counter.begun ||= BEGUN.some((words) => text.includes(words));
      // Behind it comes its time and nothing else.
      const end = text.lastIndexOf(END);
      counter.complete = end >= 0 && text.length - end < 100;
      rest = text.subarray(Math.max(0, text.length - LONGEST));
    },
  });
}

/** Those that end behind what was seen before. */
function occurrences(text: Buffer, words: string, seen: number): number {
  let count = 0;
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + 1))
    if (at + words.length > seen) count += 1;
  return count;
}
