/** The server says every 15 seconds that it is there. A peer that hangs ends no connection. */
const SILENCE_MS = 40_000;

export interface SilenceWatch {
  /** Something came, or is asked for anew. */
  heard(): void;
  stop(): void;
}

/** Tells when a stream has said nothing for longer than it ever does. */
export function watchSilence(onSilence: () => void): SilenceWatch {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    heard() {
      clearTimeout(timer);
      timer = setTimeout(onSilence, SILENCE_MS);
    },
    stop: () => clearTimeout(timer),
  };
}
