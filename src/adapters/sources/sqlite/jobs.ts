/** What the child is asked, as its only argument. */
export type SqliteJob =
  | {
      readonly do: 'copy';
      readonly from: string;
      readonly to: string;
      readonly waitMs: number;
      /** Whether the rows of a sound copy are counted. */
      readonly counts: boolean;
    }
  | { readonly do: 'check'; readonly path: string }
  /** What lies beside it is brought into it; nobody else has it open. */
  | { readonly do: 'settle'; readonly path: string }
  | { readonly do: 'count'; readonly path: string; readonly live: boolean; readonly waitMs: number }
  | {
      readonly do: 'ask';
      readonly path: string;
      readonly sql: string;
      readonly withinMs: number;
    };

export type SqliteTrouble = 'locked' | 'damaged' | 'full' | 'unreachable' | 'readonly' | 'other';

/** How whatever a child is asked ends. */
export type SqliteClosing =
  | { readonly said: 'trouble'; readonly kind: SqliteTrouble; readonly message: string }
  | { readonly said: 'done'; readonly version: string };

/** What it says, one in a line. A copy is said to be made, then checked, and counted where nothing is wrong with it. */
export type SqliteSaid =
  | { readonly said: 'progress'; readonly bytes: number }
  | { readonly said: 'copied'; readonly at: string }
  | { readonly said: 'checked'; readonly problems: readonly string[] }
  | { readonly said: 'item'; readonly item: { name: string; count: number; checksum: string | null } }
  /** Without an answer where there was no row. */
  | { readonly said: 'answered'; readonly answer?: number | string | null }
  /** `ofData`: because of what is there. */
  | { readonly said: 'refused'; readonly message: string; readonly ofData: boolean };
