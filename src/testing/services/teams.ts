import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const TEAMS_PATH = '/workflows/0123456789abcdef/triggers/manual/paths/invoke';
export const TEAMS_SIGNATURE = 'a-signature-that-nobody-may-know';

const Color = z.enum(['Default', 'Dark', 'Light', 'Accent', 'Good', 'Warning', 'Attention']);
const Size = z.enum(['Default', 'Small', 'Medium', 'Large', 'ExtraLarge']);
const Weight = z.enum(['Default', 'Lighter', 'Bolder']);
const manner = {
  color: Color.optional(),
  size: Size.optional(),
  weight: Weight.optional(),
  isSubtle: z.boolean().optional(),
  italic: z.boolean().optional(),
};
const element = { id: z.string().optional(), separator: z.boolean().optional(), spacing: z.string().optional() };
const TextRun = z.strictObject({ type: z.literal('TextRun'), text: z.string(), ...manner });
/** Of the elements, those that hold text; version 1.4 has all of them. */
const Element = z.discriminatedUnion('type', [
  z.strictObject({
    ...element,
    type: z.literal('TextBlock'),
    text: z.string(),
    wrap: z.boolean().optional(),
    ...manner,
  }),
  z.strictObject({ ...element, type: z.literal('RichTextBlock'), inlines: z.array(z.union([z.string(), TextRun])) }),
  z.strictObject({
    ...element,
    type: z.literal('FactSet'),
    facts: z.array(z.strictObject({ title: z.string(), value: z.string() })),
  }),
]);
const AdaptiveCard = z.strictObject({
  $schema: z.literal('http://adaptivecards.io/schemas/adaptive-card.json').optional(),
  type: z.literal('AdaptiveCard'),
  version: z.enum(['1.0', '1.1', '1.2', '1.3', '1.4', '1.5']),
  fallbackText: z.string().optional(),
  body: z.array(Element).optional(),
  actions: z
    .array(z.strictObject({ type: z.literal('Action.OpenUrl'), title: z.string().optional(), url: z.url() }))
    .optional(),
});
const TeamsMessage = z.strictObject({
  type: z.literal('message'),
  attachments: z
    .array(
      z.strictObject({
        contentType: z.literal('application/vnd.microsoft.card.adaptive'),
        contentUrl: z.url().nullable().optional(),
        content: AdaptiveCard,
      }),
    )
    .min(1),
});
/** A message has at most 28 KB. */
const MOST_BYTES = 28 * 1024;

const elementsOf = (body: z.output<typeof TeamsMessage>) =>
  body.attachments.flatMap(({ content }) => content.body ?? []);

export const teams: Service = {
  published:
    'https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using and https://github.com/microsoft/AdaptiveCards/blob/main/schemas/1.6.0/adaptive-card.json',
  path: `${TEAMS_PATH}?api-version=1&sig=${TEAMS_SIGNATURE}`,
  answer(request) {
    if (request.url.pathname !== TEAMS_PATH || request.url.searchParams.get('sig') !== TEAMS_SIGNATURE)
      return {
        status: 401,
        body: { error: { code: 'DirectApiAuthorizationRequired', message: 'The request must be authenticated.' } },
      };
    const { wrong } = bodyOf(TeamsMessage, request);
    if (request.method !== 'POST' || wrong !== undefined)
      return { status: 400, body: { error: { code: 'TriggerInputSchemaMismatch', message: wrong } } };
    if (Buffer.byteLength(request.body) > MOST_BYTES) return { status: 413 };
    return { status: 202 };
  },
  shown: (request) =>
    elementsOf(taken(TeamsMessage, request))
      .flatMap((each) =>
        each.type === 'RichTextBlock' ? each.inlines.map((run) => (typeof run === 'string' ? run : run.text)) : [],
      )
      .join('\n'),
  markup(request) {
    const elements = elementsOf(taken(TeamsMessage, request));
    // Markdown is read in blocks and facts, and never in rich text; dates and times are replaced everywhere.
    return [
      ...elements.filter(({ type }) => type !== 'RichTextBlock').map(({ type }) => type),
      ...(request.body.match(/\{\{/g) ?? []),
    ];
  },
};
