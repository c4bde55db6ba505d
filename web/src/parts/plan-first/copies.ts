import { bodyOf, type Wanted } from './wanted.ts';

/** Safe between single quotes of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** The same over HTTP; the token is one of the reader's own. */
export function asCurl(wanted: Wanted, origin: string): string {
  return [
    `curl -sS ${quoted(`${origin}/api/v1/automations/${wanted.automation}/runs`)}`,
    `-H "Authorization: Bearer $STEWARD_TOKEN"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(bodyOf(wanted)))}`,
  ].join(' \\\n  ');
}

export function asCommand({ automation, input, reason, node }: Wanted): string {
  return [
    `steward run ${automation}`,
    ...(Object.keys(input).length > 0 ? [`--input ${quoted(JSON.stringify(input))}`] : []),
    ...(reason === undefined ? [] : [`--reason ${quoted(reason)}`]),
    ...(node === undefined ? [] : [`--node ${quoted(node)}`]),
    '--wait',
  ].join(' ');
}

/** A workflow of one step, for steward.yaml. */
export function asWorkflow({ automation, input, node }: Wanted): string {
  const name = `my-${automation}`;
  return [
    'workflows:',
    '  custom:',
    `    - name: ${name}`,
    '      steps:',
    `        - id: ${automation}`,
    `          automation: ${automation}`,
    ...(Object.keys(input).length === 0
      ? []
      : [
          '          input:',
          ...Object.entries(input).flatMap(([member, value]) => block(member, plainly(value), '            ')),
        ]),
    ...(node === undefined ? [] : ['          place:', `            node: ${scalar(node)}`]),
  ].join('\n');
}

/** Data that a workflow would take for a reference is marked as what it is. */
function plainly(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainly);
  if (value === null || typeof value !== 'object') return value;
  const names = Object.keys(value);
  if ('from' in value || (names.length === 1 && ['text', 'literal'].includes(names[0] ?? '')))
    return { literal: value };
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainly(member)]));
}

function block(name: string, value: unknown, indent: string): string[] {
  const key = `${indent}${scalar(name)}:`;
  if (Array.isArray(value) && value.length > 0 && value.every((each) => each === null || typeof each !== 'object'))
    return [key, ...value.map((each) => `${indent}  - ${scalar(each)}`)];
  if (value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0)
    return [key, ...Object.entries(value).flatMap(([member, each]) => block(member, each, `${indent}  `))];
  // JSON is YAML.
  return [`${key} ${scalar(value)}`];
}

/** Text that YAML could take for something else stands in quotes. */
function scalar(value: unknown): string {
  if (
    typeof value === 'string' &&
    /^[A-Za-z][\w/-]*$/.test(value) &&
    !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(value)
  )
    return value;
  return JSON.stringify(value);
}
