import { readdirSync, readFileSync } from 'node:fs';

/** The processes whose environment has this in it, `NAME=value`. */
export function processesWith(variable: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(variable);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The processes that a process started, and nobody else. */
export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The command lines that have this in them. */
export function commandsWith(text: string): string[] {
  return readdirSync('/proc').flatMap((entry) => {
    try {
      const command = /^\d+$/.test(entry) ? readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ') : '';
      return command.includes(text) ? [command] : [];
    } catch {
      return [];
    }
  });
}
