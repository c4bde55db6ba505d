import { sql } from 'kysely';
import type { Migration } from '../../store/migrator.ts';

export type ChecklistTables = {
  checklist_ticks: {
    task: string;
    period: string;
    at: Date;
    actor: string;
    /** Of a person; what Steward found by itself gives way to it. */
    by_person: boolean;
    note: string;
  };
};

export const checklistMigrations: readonly Migration[] = [
  {
    name: 'checklists/0001-ticks',
    async up(db) {
      await sql`create table checklist_ticks (task text not null, period text not null, at timestamptz not null,
        actor text not null, by_person boolean not null, note text not null, primary key (task, period))`.execute(db);
    },
  },
];
