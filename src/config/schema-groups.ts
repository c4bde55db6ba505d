import { z } from 'zod';
import { isMemberOf } from '../core/group.ts';

/** Several services of which enough have to be well. */
export const GroupConfig = z
  .strictObject({
    name: z.string().min(1).max(100).describe('How the group is called; it is a service among the others.'),
    members: z.array(z.string().min(1)).default([]).describe('Names of services, heartbeats and groups in this file.'),
    membersWith: z
      .array(z.string().regex(/^[^=\s]+=.*$/, 'expected a label as key=value'))
      .default([])
      .describe('Labels as key=value: every service that has one of them is a member, whoever found it.'),
    atLeast: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('So many of the members have to be well; with fewer the group is down. All where it is left out.'),
    alertMembers: z
      .boolean()
      .default(true)
      .describe('false: the group speaks for its members; their own incidents are on record and alert nobody.'),
    critical: z.boolean().default(false).describe('Alerts about the group are critical.'),
    labels: z.record(z.string(), z.string()).default({}).describe('Labels of the group itself.'),
    owner: z.string().min(1).optional().describe('Who looks after it.'),
  })
  .superRefine(({ members, membersWith, atLeast }, context) => {
    const issue = (path: (string | number)[], message: string): void =>
      context.addIssue({ code: 'custom', path, message });
    // Without either it is made of the containers that join it by their label.
    if (members.length > 0 && membersWith.length === 0 && atLeast !== undefined && atLeast > members.length)
      issue(['atLeast'], `expected at most ${members.length}, as many as there are members`);
    for (const [index, name] of members.entries())
      if (members.indexOf(name) < index) issue(['members', index], `'${name}' is a member already`);
  });
export type GroupConfig = z.output<typeof GroupConfig>;

interface Named {
  readonly name: string;
}

/** What is wrong with groups beside the rest of the file, each with the member of the file that it is about. */
export function groupProblems({
  groups,
  services,
  jobs,
}: {
  readonly groups: readonly GroupConfig[];
  readonly services: readonly Named[];
  readonly jobs: readonly Named[];
}): { path: (string | number)[]; message: string }[] {
  const others = new Set([...services, ...jobs].map(({ name }) => name));
  const known = new Set([...others, ...groups.map(({ name }) => name)]);
  return groups.flatMap((group, index) => {
    const circle = circleFrom(group, groups);
    return [
      ...(others.has(group.name)
        ? [{ path: ['groups', index, 'name'], message: `'${group.name}' is the name of a service or a heartbeat` }]
        : []),
      ...group.members.flatMap((name, position) => {
        const path = ['groups', index, 'members', position];
        if (!known.has(name))
          return [
            {
              path,
              message: `expected the name of a service, a heartbeat or a group in this file; there is no '${name}'`,
            },
          ];
        return circle?.[1] === name ? [{ path, message: `expected no circle: ${circle.join(' has ')}` }] : [];
      }),
      ...(circle?.[1] !== undefined && !group.members.includes(circle[1])
        ? [{ path: ['groups', index, 'membersWith'], message: `expected no circle: ${circle.join(' has ')}` }]
        : []),
    ];
  });
}

/** The names from this group through its members back to it, where there is such a way. */
function circleFrom(start: GroupConfig, groups: readonly GroupConfig[]): string[] | undefined {
  const seen = new Set<string>();
  const walk = (group: GroupConfig, way: readonly string[]): string[] | undefined => {
    if (group.members.includes(start.name) || isMemberOf(group, start)) return [...way, start.name];
    for (const inner of groups) {
      if (seen.has(inner.name) || !isMemberOf(group, inner)) continue;
      seen.add(inner.name);
      const found = walk(inner, [...way, inner.name]);
      if (found) return found;
    }
    return undefined;
  };
  return walk(start, [start.name]);
}
