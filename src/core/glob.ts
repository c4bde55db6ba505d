/** Whether the text has the shape of the pattern, in which * stands for any characters. Takes no longer than the product of their lengths. */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let here = 0;
  let star = -1;
  let retry = 0;
  while (here < text.length) {
    if (pattern[at] === '*') {
      star = at;
      at += 1;
      retry = here;
    } else if (at < pattern.length && pattern[at] === text[here]) {
      at += 1;
      here += 1;
    } else if (star >= 0) {
      at = star + 1;
      retry += 1;
      here = retry;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
