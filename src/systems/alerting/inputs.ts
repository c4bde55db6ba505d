import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { Incident, type Incidents, type NewIncident, type Severity } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Json } from '../../core/json.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import { atLeast } from '../../core/alert-routing.ts';
import type { OwnRules } from './own-rules.ts';

/** What others call the severities. */
const SEVERITIES: Readonly<Record<string, Severity>> = {
  info: 'info',
  none: 'info',
  notice: 'info',
  low: 'info',
  ok: 'info',
  warning: 'warning',
  warn: 'warning',
  medium: 'warning',
  minor: 'warning',
  error: 'critical',
  major: 'critical',
  high: 'critical',
  critical: 'critical',
  page: 'critical',
  fatal: 'critical',
  emergency: 'critical',
};
const TITLE_LENGTH = 300;
/** The same words again within this time are no news. */
const SAME_WITHIN_MS = 60_000;

export interface InputDeps {
  readonly incidents: Pick<Incidents, 'open' | 'get' | 'byFingerprint' | 'resolve'>;
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly ownRules: OwnRules;
  readonly now: () => Date;
}

const AlertmanagerAlert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()).default({}),
  startsAt: z.string().max(100).optional(),
  endsAt: z.string().max(100).optional(),
  generatorURL: z.string().max(4_000).optional(),
  fingerprint: z.string().min(1).max(200).describe('The same for the same problem.'),
});
type AlertmanagerAlert = z.output<typeof AlertmanagerAlert>;

/** Ways in for problems that others have noticed. */
export function inputOperations({ incidents, inventory, ownRules, now }: InputDeps): readonly AnyOperation[] {
  /** Where it is open already and nothing about it is new, it stays as it is: whoever repeats himself opens nothing. */
  async function feed(incident: NewIncident, repeats: 'tell' | 'drop'): Promise<Incident> {
    const known = await incidents.byFingerprint(incident.fingerprint);
    if (known && known.status !== 'resolved' && atLeast(known.severity, incident.severity)) {
      const isRecent = now().getTime() - known.updatedAt.getTime() < SAME_WITHIN_MS;
      if (repeats === 'drop' || (isRecent && known.title === incident.title)) return known;
    }
    return await incidents.open(incident);
  }

  async function end(fingerprint: string, why: string): Promise<Incident | undefined> {
    const known = await incidents.byFingerprint(fingerprint);
    if (!known || known.status === 'resolved') return known;
    await incidents.resolve(known.id, why);
    return await incidents.get(known.id);
  }

  /** What Steward has an incident about is told by that one alone. */
  async function fires(incident: NewIncident, { fingerprint, labels }: AlertmanagerAlert): Promise<Incident> {
    const { resourceId, title, severity } = incident;
    return (
      (await ownRules.join({ fingerprint, labels, resourceId, title, severity })) ?? (await feed(incident, 'drop'))
    );
  }

  const resourceIdOf = async (name: string | undefined): Promise<string | undefined> =>
    name === undefined ? undefined : (await inventory.resolve(name))?.id;

  return [
    defineCommand({
      name: 'raise-alert',
      title: 'Raise an alert',
      summary:
        'Opens an incident about a problem that something else has noticed, adds to the one that is open, or ends it.',
      permission: 'operate',
      input: z.object({
        type: z
          .string()
          .trim()
          .min(1)
          .max(100)
          .describe('What is wrong, as in disk-full: the same for the same problem.'),
        message: z.string().trim().min(1).max(4_000).describe('What people should read.'),
        severity: z
          .string()
          .max(20)
          .refine((word) => severityOf(word) !== undefined, 'expected info, warning or critical')
          .default('warning')
          .describe('info, warning or critical; low, medium, high and error are understood too.'),
        status: z.enum(['firing', 'resolved']).default('firing').describe('resolved: it is over.'),
        service: z
          .string()
          .min(1)
          .max(300)
          .optional()
          .describe('The service that it is about, where Steward knows it.'),
        fingerprint: z
          .string()
          .min(1)
          .max(200)
          .optional()
          .describe('Tells problems of one type apart; without it, type and service do.'),
      }),
      output: z.object({
        incident: Incident.optional().describe('Absent where what is over was never open.'),
      }),
      paths: ['/api/v1/alerts', '/api/alerts'],
      cli: ['alert', 'raise'],
      cliArguments: ['type', 'message'],
      examples: [
        { title: 'From a script', input: { type: 'disk-full', message: '/srv is full', severity: 'critical' } },
        { title: 'It is over', input: { type: 'disk-full', message: '/srv has room again', status: 'resolved' } },
      ],
      async handle({ type, message, severity, status, service, fingerprint: own }, { actor }) {
        const fingerprint = `external:${own ?? `${type}:${service ?? ''}`}`;
        if (status === 'resolved') {
          if (actor.role === 'agent')
            throw new StewardError('FORBIDDEN', 'An agent may raise an alert, and not end one.', {
              hint: 'Ask an operator.',
            });
          const incident = await end(fingerprint, message.slice(0, TITLE_LENGTH));
          return incident ? { incident } : {};
        }
        const incident = await feed(
          {
            fingerprint,
            resourceId: await resourceIdOf(service),
            title: titleOf(message),
            symptom: symptomOf(type),
            severity: severityOf(severity) ?? 'warning',
            evidence: { type, message, from: actor.name, ...(service !== undefined && { service }) },
          },
          'tell',
        );
        return { incident };
      },
    }),

    defineCommand({
      name: 'take-alertmanager',
      title: 'Alerts of Alertmanager',
      summary: 'Takes what Alertmanager sends to a webhook: what fires is an incident, what is resolved ends it.',
      permission: 'operate',
      noAgents: true,
      // Another version of it may say more.
      input: z.looseObject({
        version: z.string().max(10).optional(),
        groupKey: z.string().max(4_000).optional(),
        truncatedAlerts: z.number().int().optional(),
        status: z.string().max(20).optional(),
        receiver: z.string().max(300).optional(),
        groupLabels: z.record(z.string(), z.string()).optional(),
        commonLabels: z.record(z.string(), z.string()).optional(),
        commonAnnotations: z.record(z.string(), z.string()).optional(),
        externalURL: z.string().max(4_000).optional(),
        alerts: z.array(AlertmanagerAlert).max(1_000),
      }),
      output: z.object({
        firing: z.number().int().describe('Alerts that are incidents now.'),
        resolved: z.number().int().describe('Alerts whose incidents are over.'),
        incidents: z.array(z.string()).describe('Ids of the incidents, in the order of the alerts.'),
      }),
      paths: ['/api/v1/alertmanager'],
      cli: ['alert', 'take-alertmanager'],
      async handle({ alerts }) {
        const about: { id: string; isOver: boolean }[] = [];
        for (const alert of alerts) {
          const fingerprint = ownRules.fingerprintOf(alert);
          const isOver = alert.status === 'resolved';
          const incident = isOver
            ? await end(fingerprint, 'Alertmanager says that it is over.')
            : await fires(await incidentOf(alert, fingerprint), alert);
          if (incident) about.push({ id: incident.id, isOver });
        }
        const resolved = about.filter(({ isOver }) => isOver).length;
        return { firing: about.length - resolved, resolved, incidents: about.map(({ id }) => id) };
      },
    }),
  ];

  /** Of a name that two services have nobody can say which is meant; the problem is one all the same. */
  async function resourceNamed(name: string | undefined): Promise<string | undefined> {
    try {
      return await resourceIdOf(name);
    } catch (thrown) {
      if (StewardError.from(thrown).code !== 'CONFLICT') throw thrown;
      return undefined;
    }
  }

  async function incidentOf(alert: AlertmanagerAlert, fingerprint: string): Promise<NewIncident> {
    const { labels, annotations, startsAt, generatorURL } = alert;
    const name = labels['alertname'] ?? 'alert';
    const where = labels['service'] ?? labels['job'];
    const text =
      annotations['summary'] ?? annotations['description'] ?? [name, labels['instance']].filter(Boolean).join(' ');
    const evidence: Json = {
      labels,
      annotations,
      ...(startsAt !== undefined && { startsAt }),
      ...(generatorURL !== undefined && { generatorURL }),
    };
    return {
      fingerprint,
      resourceId: await resourceNamed(where),
      title: titleOf(text),
      symptom: symptomOf(name),
      severity: severityOf(labels['severity'] ?? '') ?? 'warning',
      evidence,
    };
  }
}

function severityOf(word: string): Severity | undefined {
  const known = word.toLowerCase();
  return Object.hasOwn(SEVERITIES, known) ? SEVERITIES[known] : undefined;
}

/** Never a word of Steward's own: nobody from outside starts a runbook by it. */
function symptomOf(type: string): string {
  return `external.${type
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')}`;
}

function titleOf(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, TITLE_LENGTH);
}
