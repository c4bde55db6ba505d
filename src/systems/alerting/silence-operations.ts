import { z } from 'zod';
import { AlertMatch, mismatch } from '../../core/alert-routing.ts';
import { StewardError } from '../../core/errors.ts';
import { Severity } from '../../core/incident.ts';
import type { Incidents } from '../../core/incident.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import { spanMembers, spanOf } from '../../core/span.ts';
import type { About } from './about.ts';
import { Label, labelsOf } from './route-operation.ts';
import { type createSilencePreview, PREVIEW_DAYS } from './silence-preview.ts';
import { type Silence, silenceInWords, type Silences } from './silences.ts';

const View = z.object({
  id: z.string(),
  state: z.enum(['active', 'planned', 'ended']),
  quiet: z.string().describe('What is kept quiet, in words.'),
  reason: z.string(),
  actor: z.string(),
  match: AlertMatch,
  startsAt: z.coerce.date(),
  endsAt: z.coerce.date(),
  endedAt: z.coerce.date().optional(),
});

const count = z.number().int();

const QuietedView = z.object({
  id: z.string(),
  title: z.string(),
  severity: Severity,
  symptom: z.string(),
  service: z.string().optional(),
  openedAt: z.coerce.date(),
});

/** So many are named; the counts are of all. */
const NAMED = 50;

const patterns = z.array(z.string().min(1).max(300)).max(500).default([]);

/** What is kept quiet, as it is written. */
const matchMembers = {
  services: z
    .array(naming('service', z.string().min(1).max(300)))
    .max(500)
    .default([])
    .describe('Names of services, in which * stands for any characters: one of them.'),
  labels: z.array(Label).max(100).default([]).describe('Labels as key=value, the value with * too: all of them.'),
  severities: z.array(Severity).default([]).describe('info, warning, critical: one of them.'),
  symptoms: patterns.describe('What is wrong, as in service.down or disk.*: one of them.'),
  everything: z.stringbool().or(z.boolean()).default(false).describe('All alerts, where nothing else is named.'),
};

export function silenceOperations({
  silences,
  preview,
  incidents,
  about,
}: {
  readonly silences: Silences;
  readonly preview: ReturnType<typeof createSilencePreview>;
  readonly incidents: Pick<Incidents, 'note' | 'unresolved'>;
  readonly about: Pick<About, 'subject'>;
}): readonly AnyOperation[] {
  /** Whoever looks at an incident sees why nobody hears of it. */
  async function noteOn(silence: Silence, message: string): Promise<string[]> {
    const told: string[] = [];
    for (const incident of await incidents.unresolved()) {
      if (mismatch(silence.match, await about.subject(incident)) !== undefined) continue;
      await incidents.note(incident.id, { kind: 'suppressed', message });
      told.push(incident.id);
    }
    return told;
  }

  return [
    defineQuery({
      name: 'silences',
      title: 'Silences',
      summary: 'Lists what nobody is told of for a while, who said so, why, and until when.',
      permission: 'read',
      columns: ['id', 'state', 'quiet', 'reason', 'actor', 'endsAt'],
      input: z.object({
        ended: z.stringbool().or(z.boolean()).default(false).describe('Also those that are over.'),
      }),
      output: z.object({ items: z.array(View) }),
      cli: ['silence', 'list'],
      async handle({ ended }, { now }) {
        const all = (await silences.all()).map((silence) => viewOf(silence, now));
        return { items: all.filter(({ state }) => ended || state !== 'ended') };
      },
    }),

    defineQuery({
      name: 'silence-preview',
      title: 'What a silence would keep quiet',
      summary: `Says what a silence would keep quiet now, and what it would have kept quiet in the last ${PREVIEW_DAYS} days. Nothing is silenced.`,
      permission: 'read',
      input: z.object(matchMembers),
      output: z.object({
        quiet: z.string().describe('What would be kept quiet, in words.'),
        replay: z.string().describe('What it would have done to the recorded history.'),
        incidents: count.describe('Problems that began in that time and match.'),
        critical: count.describe('Of these, the critical ones.'),
        alerts: count.describe('What was said about them: beginnings, calls for a person, reminders.'),
        messages: count.describe('How often such a message arrived at a channel.'),
        past: z.array(QuietedView).describe('The critical ones first, then the newest.'),
        open: z.array(QuietedView).describe('What is open now and would be quiet at once.'),
      }),
      cli: ['silence', 'preview'],
      examples: [{ title: 'Before a disk is silenced', input: { services: ['archive'], symptoms: ['disk.*'] } }],
      async handle(input) {
        const match = matchOf(input);
        const { now: open, past, alerts, messages } = await preview(match);
        const critical = past.filter(({ severity }) => severity === 'critical').length;
        return {
          quiet: inWords(match),
          replay: replayInWords({ incidents: past.length, critical, messages, open: open.length }),
          incidents: past.length,
          critical,
          alerts,
          messages,
          past: past.slice(0, NAMED),
          open: open.slice(0, NAMED),
        };
      },
    }),

    defineCommand({
      name: 'create-silence',
      title: 'Silence alerts',
      summary:
        'Tells nobody of what matches for a while: incidents are opened, shown and healed as ever, and told at the end where they are still open.',
      permission: 'operate',
      // Who is told is for people to decide.
      noAgents: true,
      input: z.object({
        reason: z.string().trim().min(1).max(500).describe('Why; shown on each incident that it keeps quiet.'),
        ...matchMembers,
        everything: z.boolean().default(false).describe('All alerts, where nothing else is named.'),
        ...spanMembers,
      }),
      output: View.extend({ incidents: z.array(z.string()).describe('Open incidents that it keeps quiet.') }),
      cli: ['silence', 'add'],
      cliArguments: ['reason'],
      examples: [
        {
          title: 'A disk that is known to be full, until Monday',
          input: { reason: 'new disk is ordered', services: ['archive'], symptoms: ['disk.*'], for: '3d' },
        },
      ],
      async handle({ reason, services, labels, severities, symptoms, everything, ...span }, { actor, now }) {
        const match = matchOf({ services, labels, severities, symptoms, everything });
        const { from: startsAt, until: endsAt } = spanOf(span, now);
        const silence = await silences.add({ match, reason, actor: actor.name, startsAt, endsAt });
        const quieted = startsAt <= now ? await noteOn(silence, silenceInWords(silence)) : [];
        return { ...viewOf(silence, now), incidents: quieted };
      },
    }),

    defineCommand({
      name: 'end-silence',
      title: 'End a silence',
      summary: 'Ends a silence before its time, or takes back a planned one; what is still open is told.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ id: z.string().min(1).max(100).describe('Id of the silence.') }),
      output: View,
      cli: ['silence', 'end'],
      cliArguments: ['id'],
      async handle({ id }, { actor, now }) {
        const silence = await silences.get(id);
        if (!silence)
          throw new StewardError('NOT_FOUND', `There is no silence ${id}.`, {
            hint: 'steward silence list shows those there are.',
          });
        const ended = await silences.end(id);
        if (!ended)
          throw new StewardError('PRECONDITION_FAILED', `The silence ${id} is over already.`, {
            hint: 'Nothing is left to end.',
          });
        if (ended.startsAt <= now) await noteOn(ended, `${actor.name} ended the silence: ${ended.reason}`);
        return viewOf(ended, now);
      },
    }),
  ];
}

function matchOf(input: z.output<z.ZodObject<typeof matchMembers>>): AlertMatch {
  const { services, labels, severities, symptoms, everything } = input;
  const names = services.length + labels.length + severities.length + symptoms.length > 0;
  if (names === everything)
    throw StewardError.invalid([
      {
        path: 'services',
        message:
          'expected what is kept quiet: services, labels, severities or symptoms; or everything, and none of them',
      },
    ]);
  return { services, labels: labelsOf(labels), severities, symptoms };
}

function replayInWords({
  incidents,
  critical,
  messages,
  open,
}: Readonly<Record<'incidents' | 'critical' | 'messages' | 'open', number>>): string {
  const about = `${incidents} incident${incidents === 1 ? '' : 's'}${critical === 0 ? '' : `, ${critical} of them critical`}`;
  return `Of the last ${PREVIEW_DAYS} days this would have silenced ${messages} message${messages === 1 ? '' : 's'} about ${about}. ${open === 0 ? 'Nothing that it matches is open now.' : `Open now of what it matches: ${open}.`}`;
}

function viewOf(silence: Silence, now: Date): z.output<typeof View> {
  const { endedAt, startsAt, endsAt, match } = silence;
  return {
    ...silence,
    state: endedAt !== undefined || endsAt <= now ? 'ended' : startsAt > now ? 'planned' : 'active',
    quiet: inWords(match),
  };
}

function inWords({ services, labels, severities, symptoms }: AlertMatch): string {
  const parts = [
    services.join(' or '),
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' and '),
    severities.join(' or '),
    symptoms.join(' or '),
  ].filter((part) => part !== '');
  return parts.length === 0 ? 'everything' : parts.join('; ');
}
