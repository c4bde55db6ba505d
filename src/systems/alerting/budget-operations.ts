import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { Severity } from '../../core/incident.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { ruleInWords, WINDOW_DAYS } from './budget.ts';
import { type Proposal, type Proposals, replay } from './proposals.ts';
import type { AlertingSettings } from './settings.ts';

const count = z.number().int();

const RuleView = z.object({
  rule: z.string().describe('What was told: one trouble of one service.'),
  symptom: z.string(),
  service: z.string().optional(),
  severity: Severity.describe('The worst that it was told with.'),
  pages: count.describe('Messages that were delivered about it.'),
  acted: count.describe('Incidents about which a person did something.'),
  ignored: count.describe('Incidents that ended, or became a day old, without that.'),
  waiting: count.describe('Incidents of which nobody can say yet.'),
  precision: z.number().optional().describe('acted, of acted and ignored.'),
  underFloor: z.boolean(),
});

const ProposalView = z.object({
  id: z.string(),
  state: z.enum(['proposed', 'accepted', 'declined']),
  rule: z.string(),
  severity: Severity.describe('Covers what is told with this severity or less.'),
  precision: z.number(),
  replay: z.string().describe('What it would have done to the recorded history.'),
  pages: count,
  actedPages: count,
  proposedAt: z.coerce.date(),
  decidedBy: z.string().optional(),
  decidedAt: z.coerce.date().optional(),
  until: z.coerce.date().optional().describe('Until then the decision holds.'),
});

const id = z.string().min(1).max(100).describe('Id of the proposal.');

/** How often people are called, whether it was worth it, and what they decide about that. */
export function budgetOperations({
  proposals,
  settings,
}: {
  readonly proposals: Proposals;
  readonly settings: () => Pick<AlertingSettings, 'budget'>;
}): readonly AnyOperation[] {
  async function existing(wanted: string): Promise<Proposal> {
    const found = (await proposals.all()).find((each) => each.id === wanted);
    if (!found)
      throw new StewardError('NOT_FOUND', `There is no proposal ${wanted}.`, {
        hint: 'steward alert proposals lists those there are.',
      });
    return found;
  }

  async function decide(wanted: string, state: 'accepted' | 'declined', by: string): Promise<Proposal> {
    const decided = await proposals.decide(wanted, state, by);
    if (!decided)
      throw new StewardError('PRECONDITION_FAILED', `The proposal ${wanted} is ${state} already.`, {
        hint: 'Nothing is left to decide.',
      });
    return decided;
  }

  return [
    defineQuery({
      name: 'alert-budget',
      title: 'Interruption budget',
      summary: `Shows how often each channel called people in the last ${WINDOW_DAYS} days, and for each rule how often they acted on it.`,
      permission: 'read',
      input: NoInput,
      output: z.object({
        since: z.coerce.date(),
        floor: z.number().describe('Under this precision a rule is proposed for the digest.'),
        perWeek: count.describe('Pages a week that a channel may bring.'),
        channels: z.array(
          z.object({
            channel: z.string(),
            pages: count,
            perWeek: z.number().describe('On average.'),
            lastWeek: count,
            overBudget: z.boolean().describe('More in the last seven days than it may bring.'),
          }),
        ),
        rules: z.array(RuleView),
      }),
      cli: ['alert', 'budget'],
      async handle() {
        const { since, rules, channels } = await proposals.budget();
        const { floor, perWeek } = settings().budget;
        return {
          since,
          floor,
          perWeek,
          channels: channels.map((each) => ({ ...each, overBudget: each.lastWeek > perWeek })),
          rules: rules.map((rule) => {
            const { symptom, service, severity, pages, incidents, precision } = rule;
            const underFloor = proposals.isUnder(rule);
            return { rule: ruleInWords(rule), symptom, service, severity, pages, ...incidents, precision, underFloor };
          }),
        };
      },
    }),

    defineQuery({
      name: 'alert-proposals',
      title: 'Proposals for the digest',
      summary:
        'Lists rules that people hardly ever act on and that could be told in the digest only, with what that would have silenced.',
      permission: 'read',
      columns: ['id', 'state', 'rule', 'severity', 'precision', 'replay'],
      input: NoInput,
      output: z.object({ items: z.array(ProposalView) }),
      cli: ['alert', 'proposals'],
      async handle() {
        return { items: (await proposals.all()).map(viewOf) };
      },
    }),

    defineCommand({
      name: 'accept-alert-proposal',
      title: 'Accept a proposal for the digest',
      summary:
        'From now on, and for 90 days, only the digest tells of it; what is worse than it was so far is told as ever.',
      permission: 'operate',
      // Who is told is for people to decide.
      noAgents: true,
      input: z.object({
        id,
        critical: z
          .boolean()
          .default(false)
          .describe('Has to be said where what was told was critical: nothing critical becomes quiet unseen.'),
      }),
      output: ProposalView,
      cli: ['alert', 'accept'],
      cliArguments: ['id'],
      async handle({ id: wanted, critical }, { actor }) {
        const { severity, pages, actedPages } = await existing(wanted);
        if (severity === 'critical' && !critical)
          throw new StewardError(
            'PRECONDITION_FAILED',
            `What it is about was told as critical. ${replay({ pages, actedPages })}`,
            { hint: 'Say critical (--critical) as well where nobody is to be called for that.' },
          );
        return viewOf(await decide(wanted, 'accepted', actor.name));
      },
    }),

    defineCommand({
      name: 'decline-alert-proposal',
      title: 'Decline a proposal for the digest',
      summary: 'Tells of it as ever, also where the proposal was accepted before, and does not ask again for 90 days.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ id }),
      output: ProposalView,
      cli: ['alert', 'decline'],
      cliArguments: ['id'],
      async handle({ id: wanted }, { actor }) {
        await existing(wanted);
        return viewOf(await decide(wanted, 'declined', actor.name));
      },
    }),
  ];
}

function viewOf(proposal: Proposal): z.output<typeof ProposalView> {
  const { symptom: _symptom, service: _service, ...rest } = proposal;
  return { ...rest, rule: ruleInWords(proposal), replay: replay(proposal) };
}
