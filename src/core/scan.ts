import { z } from 'zod';

/** One thing that a scan noticed, as it can be read later. */
export const ScanItem = z.object({
  kind: z.enum(['found', 'changed', 'returned', 'missing', 'gone']),
  id: z.string(),
  resource: z.string().describe('What it is: service, certificate, mcp-server.'),
  name: z.string(),
  changes: z
    .array(z.object({ member: z.string(), before: z.string().optional(), after: z.string().optional() }))
    .describe('Members that are another; their values shortened and without secrets.'),
});
export type ScanItem = z.output<typeof ScanItem>;

export const ScanSource = z.object({
  kind: z.enum(['compose', 'nginx', 'caddy', 'traefik']),
  name: z.string().describe('The project, or the file or address that the configuration begins with.'),
  files: z.array(z.string()),
  owner: z.string().optional().describe('The service that reads it.'),
  entries: z.number().int().describe('Services, or ways in.'),
  elsewhere: z.array(z.string()).describe('Where requests are passed on to that is no service known here.'),
  problems: z.array(z.object({ file: z.string(), line: z.number().int(), message: z.string() })),
});
export type ScanSource = z.output<typeof ScanSource>;

/** What one scan noticed, item by item, and which files it read. */
export const ScanDetail = z.object({
  items: z.array(ScanItem),
  /** More than are kept of one scan. */
  omitted: z.number().int(),
  sources: z.array(ScanSource),
});
export type ScanDetail = z.output<typeof ScanDetail>;
