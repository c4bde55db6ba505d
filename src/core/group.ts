import type { Resource } from './resource.ts';

/** By this label a container joins groups: their names, with commas between. */
export const GROUP_LABEL = 'steward.group';
/** Under this label the inventory keeps what is wrong with the labels of a container, one problem a line. */
export const LABEL_PROBLEMS = 'steward.label-problems';

/** Several services of which enough have to be well. */
export interface ServiceGroup {
  readonly name: string;
  /** Members by name. */
  readonly members: readonly string[];
  /** Labels as key=value; whoever has one of them is a member too. */
  readonly membersWith: readonly string[];
  /** So many have to be well; all where it is left out. */
  readonly atLeast?: number | undefined;
  /** False: the group speaks for its members, and nobody is alerted of a single one. */
  readonly alertMembers: boolean;
}

export function isMemberOf(
  { name: group, members, membersWith }: Pick<ServiceGroup, 'name' | 'members' | 'membersWith'>,
  { name, labels }: Pick<Resource, 'name' | 'labels'>,
): boolean {
  if (name === group) return false;
  if (labels[GROUP_LABEL]?.split(',').includes(group) === true) return true;
  return (
    members.includes(name) || Object.entries(labels).some(([key, value]) => membersWith.includes(`${key}=${value}`))
  );
}

/** Whether a group speaks for it. One that says so is enough. */
export function isSpokenFor(groups: readonly ServiceGroup[], resource: Pick<Resource, 'name' | 'labels'>): boolean {
  return groups.some((group) => !group.alertMembers && isMemberOf(group, resource));
}
