import { z } from 'zod';

const Shown = z.strictObject({
  match: z.string().min(1).max(300).describe('A service by its name, in which * stands for any characters.'),
  name: z.string().min(1).max(100).optional().describe('How it is called there; by default its own name.'),
  group: z.string().min(1).max(100).optional().describe('The heading under which it stands.'),
});

export const StatusPageConfig = z
  .strictObject({
    title: z.string().min(1).max(100).default('Status').describe('What stands at its top.'),
    public: z
      .boolean()
      .default(false)
      .describe('Whether anybody may see it, without a sign-in. Then services has to say what is shown.'),
    services: z
      .array(Shown)
      .max(200)
      .default([])
      .describe('What it shows, in this order. Empty: all services that are watched.'),
  })
  .superRefine(({ public: open, services }, context) => {
    if (open && services.length === 0)
      context.addIssue({
        code: 'custom',
        path: ['services'],
        message: 'expected the services that the whole world may see, because public is true',
      });
    for (const [index, { match, name }] of services.entries())
      if (name !== undefined && match.includes('*'))
        context.addIssue({
          code: 'custom',
          path: ['services', index, 'name'],
          message: 'expected no name, because match may be several services',
        });
  })
  .describe('The status page at /status, with badges.');
