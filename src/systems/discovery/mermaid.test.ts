import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DrawnEdge, type DrawnNode, label, mermaid } from './mermaid.ts';

const node = (id: string, more: Partial<DrawnNode> = {}): DrawnNode => ({
  id,
  name: id,
  product: 'app',
  state: 'up',
  node: 'n1',
  project: undefined,
  ...more,
});

/** Every line that a drawing may consist of; what is in quotation marks has no character that means something to Mermaid. */
const TEXT = String.raw`"(?:[^"\\<>{}|%;#&\[\]\n\x60]|#\d+;)*"`;
const LINES = [
  /^flowchart LR$/,
  new RegExp(String.raw`^ +subgraph g\d+\[${TEXT}\]$`, 'u'),
  / +end$/,
  new RegExp(String.raw`^ +n\d+\[${TEXT}\](:::(down|degraded|stopped|declared|unknown))?$`, 'u'),
  /^ {2}n\d+ (-->|-\.->?)(\|"\d+"\|)? n\d+$/,
  /^ {2}n\d+ -\.-(\|"\d+"\|)? n\d+$/,
  /^ {2}classDef \w+ [\w:#,\- ]+$/,
];
const strayLines = (text: string): string[] =>
  text
    .trimEnd()
    .split('\n')
    .filter((line) => !LINES.some((pattern) => pattern.test(line)));

describe('a drawing in Mermaid', () => {
  it('groups services by machine and project, and says what is wrong', () => {
    const text = mermaid(
      [
        node('web', { project: 'shop', state: 'down' }),
        node('db', { project: 'shop', product: 'postgresql' }),
        node('proxy', { product: 'nginx' }),
      ],
      [
        { from: 'proxy', to: 'web', kind: 'configured' },
        { from: 'proxy', to: 'web', kind: 'connects-to' },
        { from: 'web', to: 'db', kind: 'network' },
      ],
    );
    expect(text).toBe(`flowchart LR
  subgraph g1["n1"]
    subgraph g2["shop"]
      n0["web · app · down"]:::down
      n1["db · postgresql · up"]
    end
    n2["proxy · nginx · up"]
  end
  n2 -->|"2"| n0
  n0 -.- n1
  classDef down fill:#c92a2a,color:#fff
`);
    expect(strayLines(text)).toEqual([]);
  });

  it('stays one whatever strangers call their services', () => {
    for (const name of [
      '"]; click n0 "javascript:alert(1)"',
      'a\nend\nn9["x"]',
      '%%{init: {"theme":"x"}}%%',
      '`**bold**`',
      '<img src=x onerror=alert(1)>',
      '#35;',
      'a & b;',
      '\u202Eevil',
      '\uD800',
    ])
      expect(strayLines(mermaid([node(name, { name, product: name, project: name, node: name })], []))).toEqual([]);
    const hostile = fc.constantFrom(
      ...'"\'`#;:\n\r<>[](){}|%&-=~^$@!*_\\/ aé1\u202E\u0000'.split(''),
      '\uD800',
      'end',
      '-->',
    );
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 60 }), (parts) => {
        const name = parts.join('');
        expect(strayLines(mermaid([node('x', { name, node: name, project: name })], []))).toEqual([]);
      }),
    );
    expect(label('läuft – 100 %')).toBe('läuft #8211; 100 #37;');
  });

  it.each([
    ['of one project each', (index: number) => ({ project: `project-${index % 40}` }), /project-7 · \d+ services/],
    ['of no project', (index: number) => ({ product: `product-${index % 30}` }), /product-7 · \d+ services/],
    ['of machines in the hundreds', (index: number) => ({ node: `machine-${index}` }), /services on more machines/],
  ] as const)('of 500 services %s stays readable and within what Mermaid takes', (_what, more, seen) => {
    const nodes = Array.from({ length: 500 }, (_, index) =>
      node(`svc-${index}`, { state: index === 77 ? 'down' : 'up', ...more(index) }),
    );
    const edges: DrawnEdge[] = nodes.flatMap(({ id }, index) =>
      [1, 7, 40].map((step) => ({ from: id, to: `svc-${(index + step) % 500}`, kind: 'connects-to' })),
    );
    const text = mermaid(nodes, edges);
    expect(text).toMatch(seen);
    expect(text.length).toBeLessThan(50_000);
    expect(text.split('\n').filter((line) => / (-->|-\.-)/.test(line)).length).toBeLessThan(500);
    expect(strayLines(text)).toEqual([]);
  });
});
