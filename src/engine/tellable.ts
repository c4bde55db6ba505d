import type { StewardEvent } from '../core/event.ts';

/** A chain reads what it was told at each of its steps. */
const MOST_BYTES = 2 * 1024 * 1024;

/** What is given along: the whole event, or only the event itself where that would be too much to carry. */
export const tellable = (whole: StewardEvent, event: StewardEvent): StewardEvent =>
  whole === event || JSON.stringify(whole.data).length <= MOST_BYTES ? whole : event;
