import type { z } from 'zod';
import type { ExportFolder } from '../../core/exports.ts';
import type { JsonObject } from '../../core/json.ts';
import type { ReportKindName, ReportPeriod } from '../../core/report-period.ts';
import type { ScoreTrend } from '../../core/score.ts';
import type { ReportsDeps } from './deps.ts';

/** A kind whose reports are passed on and not looked into. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyReportKind = ReportKind<any>;

/** What every report says of itself. */
export interface AnyReport {
  readonly at: Date;
  readonly node: string;
  readonly score?: number | undefined;
  readonly period?: ReportPeriod | undefined;
}

export interface Message {
  readonly title: string;
  readonly text: string;
}

/** One kind of report: which automation makes it, what is kept of it, and how its files are called. */
export interface ReportKind<Report extends AnyReport> {
  readonly kind: ReportKindName;
  readonly automation: string;
  /** Its ids begin with it. */
  readonly prefix: string;
  /** In events. */
  readonly subject: string;
  readonly schema: z.ZodObject & z.ZodType<Report>;
  /** What a list has of it besides id, node, time, score and run. */
  readonly facts: (report: Report) => JsonObject;
  readonly Facts: z.ZodRawShape;
  readonly folder: ExportFolder;
  /** What names of its files begin with. */
  readonly files: string;
  /** Without what follows it at once: a stamp of the time. */
  readonly fileName: (report: Report) => string;
  readonly latest: string;
  /** What its JSON file has. */
  readonly json: (report: Report) => unknown;
  /** As lines of a log beside it. */
  readonly log?: { readonly files: string; readonly lines: (report: Report) => string };
  /** A report as a document that needs nothing besides itself. */
  readonly render: (report: Report, trend: ScoreTrend) => string;
  /** What else becomes of one that was kept: a person is told where it is critical. */
  readonly kept?: (report: Report, id: string, deps: Pick<ReportsDeps, 'incidents'>) => Promise<void>;
  /** For people who want it sent. */
  readonly message?: (report: Report) => Message;
  /** How people and programs ask for it. */
  readonly asked: Asked;
}

interface Asked {
  readonly path: string;
  readonly list: Named;
  readonly get: Named;
  readonly file: Named;
  readonly columns: readonly string[];
  /** What makes one now. */
  readonly make: string;
}

interface Named {
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly cli: readonly string[];
}
