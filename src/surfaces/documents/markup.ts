/** Text that is markup already. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Markup | undefined | readonly Part[];

const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** HTML or SVG in which whatever is put in stays text, unless it is markup itself. */
export function markup(fixed: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(String.raw({ raw: fixed }, ...parts.map(textOf)));
}

function textOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return readable(String(part)).replaceAll(/[&<>"']/g, (sign) => NAMED[sign] ?? sign);
}

/** XML has no character for these, and one of them would make the whole of it unreadable. */
function readable(text: string): string {
  return Array.from(text.toWellFormed(), (sign) =>
    /[\p{Cc}\ufffe\uffff]/u.test(sign) && !/[\t\n\r]/.test(sign) ? '\ufffd' : sign,
  ).join('');
}
