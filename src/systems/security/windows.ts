export const WINDOW_MS = 10 * 60_000;

/** How much of what is usual comes from the window that just ended. */
const WEIGHT = 0.1;
/** So far above what is usual, it is no longer that. */
const FACTOR = 3;

/** How often one subject was turned away, window by window. */
export interface Windows {
  /** When the window in hand began. */
  readonly at: Date;
  readonly count: number;
  /** In the window before. */
  readonly before: number;
  /** On average, in a window, of late. */
  readonly usual: number;
}

export interface Counted {
  readonly windows: Windows;
  /** Within the last ten minutes, as well as two windows can tell. */
  readonly recent: number;
  /** What would be too many for this subject. */
  readonly limit: number;
}

/** The windows with one refusal more in them. */
export function count(known: Windows | undefined, at: Date, least: number): Counted {
  const began = new Date(Math.floor(at.getTime() / WINDOW_MS) * WINDOW_MS);
  const moved = known ? movedTo(known, began) : { at: began, count: 0, before: 0, usual: 0 };
  const windows = { ...moved, count: moved.count + 1 };
  const elapsed = Math.max(0, at.getTime() - windows.at.getTime()) / WINDOW_MS;
  return {
    windows,
    recent: windows.count + Math.floor(windows.before * Math.max(0, 1 - elapsed)),
    limit: Math.max(least, Math.ceil(FACTOR * windows.usual)),
  };
}

function movedTo(known: Windows, began: Date): Windows {
  const passed = Math.round((began.getTime() - known.at.getTime()) / WINDOW_MS);
  // A clock that was put back makes no new window.
  if (passed <= 0) return known;
  const usual = (known.usual * (1 - WEIGHT) + known.count * WEIGHT) * (1 - WEIGHT) ** (passed - 1);
  return { at: began, count: 0, before: passed === 1 ? known.count : 0, usual };
}
