import { Markup, markup } from './markup.ts';

/** What every document looks like: light and dark as the reader's system is, and fit to print. */
const STYLE = `
:root { color-scheme: light dark; --text: #1c1e21; --dim: #5a6069; --back: #f6f7f9; --card: #fff; --line: #dfe2e6;
  --ok: #18794e; --warn: #9a5b00; --bad: #c62a2f; --none: #c1c8cd; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --dim: #9ba1a6; --back: #151718; --card: #1c1f21; --line: #313538;
  --ok: #4cc38a; --warn: #f1a10d; --bad: #ff6369; --none: #4c5155; } }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
h1 { font-size: 1rem; font-weight: 600; margin: 0 0 1rem; color: var(--dim); }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.verdict { display: flex; gap: .75rem; align-items: baseline; font-size: 1.35rem; font-weight: 600; margin: 0; }
.ok { color: var(--ok); } .warn { color: var(--warn); } .bad { color: var(--bad); } .dim { color: var(--dim); }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .5rem 0; }
footer { margin-top: 2rem; font-size: .875rem; color: var(--dim); }
@media print { body { background: none; padding: 0; } article { break-inside: avoid; } }
`;

export interface Document {
  readonly title: string;
  /** Of this document alone. */
  readonly style: string;
  readonly body: Markup;
  /** Seconds after which a browser asks for it again. */
  readonly renew?: number | undefined;
  /** Lets its style in where a policy asks for one. */
  readonly nonce?: string | undefined;
}

/** A document that needs nothing besides itself: no script, no font, no other address. */
export function documentOf({ title, style, body, renew, nonce }: Document): string {
  const { text } = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
${
  renew === undefined
    ? undefined
    : markup`<meta http-equiv="refresh" content="${renew}">
`
}<title>${title}</title>
<style${nonce === undefined ? undefined : markup` nonce="${nonce}"`}>${new Markup(STYLE + style)}</style>
</head>
<body>
${body}
</body>
</html>
`;
  return text;
}

/** 2026-03-31 06:00 UTC */
export function minuteOf(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
