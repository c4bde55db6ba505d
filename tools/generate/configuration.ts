import { ENVIRONMENT } from '../../src/config/environment.ts';
import { code, memberRows, type Schema, table } from './markdown.ts';

export function configurationPage(schema: unknown): string {
  const { properties = {} } = schema as Schema;
  const sections = Object.entries(properties).flatMap(([name, section]) => {
    const rows =
      section.type === 'object' ? memberRows(section, `${name}.`) : memberRows({ properties: { [name]: section } });
    return [
      `## ${name}`,
      '',
      section.description ?? '',
      '',
      table(['member', 'value', 'default', 'meaning'], rows),
      '',
    ];
  });
  return [
    '# Configuration',
    '',
    '`steward.yaml` in the data folder, or the file that `--config` or `STEWARD_CONFIG` names. Every member has a default, so an empty file is valid.',
    'Defaults stand behind the file, the file behind the environment. A change is in force at once; one of `server`, `node` or `files` after the next start.',
    'A file that is refused changes nothing: every problem is named with line and column, and the last good configuration stays in force.',
    'Check one with `steward config validate <file>`; see what is in force, and where each value comes from, with `steward config show`.',
    '',
    ...sections,
    '## Environment',
    '',
    table(
      ['variable', 'meaning'],
      Object.entries(ENVIRONMENT).map(([name, meaning]) => [code(name), meaning]),
    ),
  ].join('\n');
}
