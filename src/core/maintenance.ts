import { z } from 'zod';
import type { Resource } from './resource.ts';
import type { Schedule } from './schedule.ts';

/** What a window is about. What any of its members names is covered; `within` narrows all of them to one machine. */
export const MaintenanceScope = z.object({
  everything: z.boolean().default(false),
  services: z.array(z.string()).default([]).describe('Services by id, name or identity.'),
  labels: z.array(z.string()).default([]).describe('Labels as key=value; a service that has one of them is covered.'),
  nodes: z.array(z.string()).default([]).describe('Machines by name or id, with all that runs there.'),
  within: z
    .string()
    .optional()
    .describe('Only what is on this node: the id of the machine whose steward.yaml says so.'),
});
export type MaintenanceScope = z.output<typeof MaintenanceScope>;

/**
 * A time in which work is going on: what it covers is probed and recorded as ever, but opens no incident, sends no
 * alert and is not healed. What is still wrong at its end opens its incident then.
 */
export const MaintenanceWindow = z.object({
  id: z.string(),
  kind: z
    .enum(['once', 'recurring', 'configured', 'owned'])
    .describe('owned: opened for a restore or a migration of a database, for as long as that runs.'),
  reason: z.string(),
  actor: z.string().describe('Who opened it.'),
  scope: MaintenanceScope,
  startsAt: z.coerce.date(),
  endsAt: z.coerce.date().describe('When it ends by itself.'),
  endedAt: z.coerce.date().optional(),
  owner: z.string().optional().describe('The run for which it is open.'),
});
export type MaintenanceWindow = z.output<typeof MaintenanceWindow>;

/** What a window may cover. A resource is one; so is a machine, with its own id as its node. */
export type MaintenanceSubject = Pick<Resource, 'id' | 'name' | 'identity' | 'node' | 'labels'>;

export interface OpenMaintenance {
  /** Id of the run that needs it. A second call with the same owner gives the window that is open for it. */
  readonly owner: string;
  /** Ids of resources. */
  readonly resources: readonly string[];
  readonly reason: string;
  readonly actor: string;
  /** It ends after this long even where nobody closes it and the run never ends. */
  readonly atMostMs: number;
}

/** A time in which work was going on at one resource. */
export interface MaintenanceSpan {
  readonly resourceId: string;
  readonly from: Date;
  readonly until: Date;
}

/** The maintenance windows, for systems that ask whether they may speak or act. */
export interface Maintenance {
  /** The window that covers it at this instant, the one that ends last where there are several. */
  activeFor(subject: MaintenanceSubject, at: Date): Promise<MaintenanceWindow | undefined>;
  /** What of this time was maintenance, for those who measure; as it was recorded, whatever was changed since. */
  during(subjects: readonly MaintenanceSubject[], since: Date, until: Date): Promise<MaintenanceSpan[]>;
  /** Closes by itself when the run is over, whoever died meanwhile. */
  openFor(request: OpenMaintenance): Promise<MaintenanceWindow>;
  /** Harmless where nothing is open for this owner. */
  close(owner: string): Promise<void>;
}

/** The first instant of a schedule after this one: how the engine reads schedules, for systems that need to know. */
export type NextInstant = (schedule: Schedule, after: Date) => Date | undefined;

/** `nodeName`: how the machine of the subject is called, where that is known. */
export function covers(scope: MaintenanceScope, subject: MaintenanceSubject, nodeName?: string): boolean {
  const { id, name, identity, node, labels } = subject;
  if (scope.within !== undefined && scope.within !== node) return false;
  return (
    scope.everything ||
    [id, name, identity].some((word) => scope.services.includes(word)) ||
    Object.entries(labels).some(([key, value]) => scope.labels.includes(`${key}=${value}`)) ||
    scope.nodes.includes(node) ||
    (nodeName !== undefined && scope.nodes.includes(nodeName))
  );
}
